"""Labels unlabelled images with a teacher that runs without noise."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from noisy_student import progress
from noisy_student.data import records, sources
from noisy_student.files import shards, writing
from noisy_student.pseudo_labels.predictions import Part, PredictionFiles

Pipeline = Callable[[sources.ImageSource], tf.data.Dataset]


def predict(
    model: keras.Model,
    source: sources.ImageSource,
    batches: Pipeline,
    files: PredictionFiles,
    parts: Iterable[Part],
    made_from: dict[str, Any],
) -> None:
    """Writes the probabilities of some parts of a source.

    Args:
        model: the teacher: images to logits.
        source: the unlabelled images.
        batches: the pipeline of a source, as `pipelines.plain_images` gives
            it. Images with weight 0, which could not be decoded, get
            probabilities of 0.
        files: where the predictions go.
        parts: those to do.
        made_from: `images` (`TaskData.identity`) and `teacher`, to be
            remembered beside the count.
    """
    predict_all = _batch_predictor(model)
    for part in parts:
        start = time.monotonic()
        images = files.division.images(source, part)
        remaining, undecodable = images.num_images, 0
        description = f"predict {files.division.describe(part)}"
        with (
            shards.shard_writer(files.predictions(part)) as writer,
            progress.bar(images.num_images, description, "image") as bar,
        ):
            for batch in predict_all(batches(images)):
                batch = batch[:remaining]  # the last one is padded
                for probabilities in batch:
                    writer.write(records.encode_prediction(probabilities))
                remaining -= len(batch)
                undecodable += int((batch == 0).all(axis=1).sum())
                bar.update(len(batch))
        info = {
            "image_num": images.num_images,
            "undecodable": undecodable,
            "seconds": round(time.monotonic() - start, 1),
            "made_from": files.made_from(made_from),
        }
        writing.write_json(files.info(part), info)


def _batch_predictor(
    model: keras.Model,
) -> Callable[[tf.data.Dataset], Iterator[np.ndarray]]:
    """A function of batches that yields float32 (batch, classes) of each."""
    strategy = tf.distribute.get_strategy()

    def probabilities(batch: dict) -> tf.Tensor:
        logits = model(batch["image"], training=False)
        return tf.nn.softmax(logits) * batch["weight"][:, tf.newaxis]

    @tf.function
    def predict_batch(batch):
        return strategy.run(probabilities, args=(batch,))

    def predict_all(dataset: tf.data.Dataset) -> Iterator[np.ndarray]:
        for batch in strategy.experimental_distribute_dataset(dataset):
            parts = strategy.experimental_local_results(predict_batch(batch))
            yield np.concatenate([part.numpy() for part in parts])

    return predict_all

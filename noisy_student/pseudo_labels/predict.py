"""Labels unlabelled images with a teacher that runs without noise."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from noisy_student import progress
from noisy_student.data import decoding, records, sources
from noisy_student.files import shards, writing
from noisy_student.pseudo_labels.layout import PredictionFiles, Share

Pipeline = Callable[[sources.ImageSource], tf.data.Dataset]


def predict(
    model: keras.Model,
    source: sources.ImageSource,
    batches: Pipeline,
    files: PredictionFiles,
    shares: Iterable[Share],
    made_from: dict[str, Any],
) -> None:
    """Writes the teacher's probabilities of some shares of the images.

    Args:
        model: the teacher, from images, float (batch, height, width, 3), to
            logits, float (batch, classes).
        source: all unlabelled images.
        batches: makes batches of a source, as `pipelines.plain_images` does.
            Images with weight 0, which could not be decoded, get
            probabilities of 0.
        files: where the predictions go.
        shares: those to predict.
        made_from: `images` (`TaskData.identity`) and `teacher` (its digest),
            which the info files keep.

    Raises:
        InputError: images are damaged, or the disk has no room.
    """
    predict_all = _batch_predictor(model)
    for share in shares:
        start = time.monotonic()
        images = files.division.images(source, share)
        remaining, undecodable = images.num_images, 0
        description = f"predict {files.division.describe(share)}"
        with (
            decoding.input_errors(images.record_paths),
            shards.shard_writer(files.predictions(share)) as writer,
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
            "made_from": files.stamp(made_from),
        }
        writing.write_json(files.info(share), info)


def _batch_predictor(
    model: keras.Model,
) -> Callable[[tf.data.Dataset], Iterator[np.ndarray]]:
    """Returns a function that yields float32 (batch, classes) per batch."""
    strategy = tf.distribute.get_strategy()

    def probabilities(batch: dict) -> tf.Tensor:
        logits = model(batch["image"], training=False)
        return tf.nn.softmax(logits) * batch["weight"][:, tf.newaxis]

    @tf.function
    def predict_batch(batch):
        return strategy.run(probabilities, args=(batch,))

    def predict_all(dataset: tf.data.Dataset) -> Iterator[np.ndarray]:
        for batch in strategy.experimental_distribute_dataset(dataset):
            results = strategy.experimental_local_results(predict_batch(batch))
            yield np.concatenate([result.numpy() for result in results])

    return predict_all

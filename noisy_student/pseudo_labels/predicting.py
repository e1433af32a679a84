"""The teacher at work: images in, files of predictions out."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from noisy_student import progress
from noisy_student.data import decoding, records, sources
from noisy_student.files import shards, writing
from noisy_student.pseudo_labels.predictions import PredictionFiles, Share


def predict(
    model: keras.Model,
    source: sources.ImageSource,
    batches: Callable[[sources.ImageSource], tf.data.Dataset],
    files: PredictionFiles,
    shares: Iterable[Share],
    made_from: dict[str, Any],
) -> None:
    """Writes the probabilities of a teacher that runs without noise.

    Args:
        model: the teacher, from images, float (batch, height, width, 3), to
            logits, float (batch, classes).
        source: all unlabelled images.
        batches: makes batches of a source, as `plain.plain_images` does.
            Images with weight 0, which could not be decoded, get
            probabilities of 0.
        files: where the predictions go.
        shares: those to predict.
        made_from: `images` (`TaskData.identity`) and `teacher` (its digest),
            which the info files keep.

    Raises:
        InputError: images are damaged, or the disk has no room.
    """
    strategy = tf.distribute.get_strategy()
    predict_batch = batch_predictor(model, strategy)
    for share in shares:
        start = time.monotonic()
        images = files.images(source, share)
        remaining, undecodable = images.num_images, 0
        with (
            decoding.input_errors(images.record_paths),
            shards.shard_writer(files.predictions(share)) as writer,
            progress.bar(remaining, _description(files, share), "image") as bar,
        ):
            dataset = batches(images)
            for batch in strategy.experimental_distribute_dataset(dataset):
                # The last batch is padded.
                rows = predict_batch(batch)[:remaining]
                for probabilities in rows:
                    writer.write(records.encode_prediction(probabilities))
                remaining -= len(rows)
                undecodable += int((rows == 0).all(axis=1).sum())
                bar.update(len(rows))
        info = {
            "image_num": images.num_images,
            "undecodable": undecodable,
            "seconds": round(time.monotonic() - start, 1),
            "made_from": files.stamp(made_from),
        }
        writing.write_json(files.info(share), info)


def batch_predictor(
    model: keras.Model, strategy: tf.distribute.Strategy
) -> Callable[[Any], np.ndarray]:
    """Makes the function that predicts a batch of the strategy.

    Args:
        model: see `predict`.
        strategy: distributes the batches, which `plain.plain_images`
            makes.

    Returns:
        A function from a batch to its probabilities, float32 (batch,
        classes), which are 0 where the weight of an image is 0.
    """

    def probabilities(batch: dict) -> tf.Tensor:
        logits = model(batch["image"], training=False)
        return tf.nn.softmax(logits) * batch["weight"][:, tf.newaxis]

    @tf.function
    def on_replicas(batch):
        return strategy.run(probabilities, args=(batch,))

    return lambda batch: np.concatenate(
        strategy.experimental_local_results(on_replicas(batch))
    )


def _description(files: PredictionFiles, share: Share) -> str:
    """What the progress bar says, counting from 1: "predict shard 3/128"."""
    name = f"predict shard {share.shard + 1}/{files.num_shards}"
    if files.total_replicas > 1:
        name += f", worker {share.worker + 1}/{files.total_replicas}"
    return name

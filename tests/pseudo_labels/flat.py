"""A teacher of images that are as bright as their number.

As a script, it predicts on four logical CPUs, or as one of several workers.
"""

import functools
import os
import pathlib
import sys

import numpy as np
import tensorflow as tf

from noisy_student import pseudo_labels
from noisy_student.config import RunConfig
from noisy_student.data import decoding, plain, sources, views
from noisy_student.training import distribution

SIDE = 4
FORMAT = views.ImageFormat(SIDE, small=True, horizontal_flip=True)
MADE_FROM = {"images": {"task_name": "flat"}, "teacher": "abc"}
# Of the script: unequal shares, and a last batch that is not full.
IMAGES, SHARDS = 23, 3


class Teacher:
    """Logits (brightness / 10, 0, 0)."""

    def __call__(self, images, training):
        assert training is False
        brightness = tf.reduce_mean(tf.cast(images, tf.float32), axis=[1, 2, 3])
        return brightness[:, None] * [[0.1, 0.0, 0.0]]


def expected(numbers):
    powers = np.exp(np.outer(numbers, [0.1, 0, 0]))
    return powers / powers.sum(axis=1, keepdims=True)


def make_source(count, broken=()):
    """Flat images whose brightness is their number."""
    images = [np.full((SIDE, SIDE, 3), i, np.uint8) for i in range(count)]
    encoded = [tf.io.encode_png(image).numpy() for image in images]
    for number in broken:
        encoded[number] = b"not an image"
    return sources.ImageSource(
        count,
        lambda: tf.data.Dataset.from_tensor_slices(
            {
                "encoded": encoded,
                "label": np.zeros(count, np.int64),
                "index": np.arange(count),
            }
        ),
        "a test",
    )


def predictor(batch_size=4):
    batches = functools.partial(
        plain.plain_images,
        image_format=FORMAT,
        warnings=decoding.SkipWarnings(),
    )
    return pseudo_labels.Predictor(Teacher(), batches, batch_size)


def files_in(directory, num_shards, total_replicas=1):
    return pseudo_labels.PredictionFiles(
        directory / "p", directory / "info", num_shards, total_replicas
    )


def read(files, shard):
    """All of a shard's probabilities, from its workers' in turn."""
    shares = files.shares([shard])
    each = [np.concatenate(list(files.read(share, 3))) for share in shares]
    whole = np.zeros([sum(map(len, each)), 3], np.float32)
    for worker, rows in enumerate(each):
        whole[worker :: len(each)] = rows
    return whole


def main(directory):
    [cpu] = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 4
    )
    kind = "multi_worker" if "TF_CONFIG" in os.environ else "mirrored"
    devices = distribution.make_devices(RunConfig(kind))
    files = files_in(directory, SHARDS)
    shares = files.shares()[devices.worker :: devices.num_workers]
    with devices.own.scope():
        pseudo_labels.predict(
            predictor(), make_source(IMAGES), files, shares, MADE_FROM
        )
    print(devices.own.num_replicas_in_sync)
    devices.wait_for_all()


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))

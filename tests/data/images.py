"""Images, records and pipelines that the tests of this folder share."""

import numpy as np
import tensorflow as tf

from noisy_student.config import NoiseConfig
from noisy_student.data import (
    pipelines,
    pseudo_labeled,
    record_files,
    records,
    sources,
    views,
)
from noisy_student.files import shards

PLAIN = NoiseConfig("none")
NOISED = NoiseConfig("v1", randaug_mag=5)
SMALL = views.ImageFormat(side=16, small=True, horizontal_flip=True)
LARGE = views.ImageFormat(side=24, small=False, horizontal_flip=True)


def make_source(count=10, side=16, broken=()):
    """Images whose pixels are all ten times their number."""
    images = [
        np.full((side, side, 3), 10 * i % 256, np.uint8) for i in range(count)
    ]
    encoded = [tf.io.encode_png(image).numpy() for image in images]
    for number in broken:
        encoded[number] = encoded[number][:60]
    return sources.ImageSource(
        count,
        lambda: tf.data.Dataset.from_tensor_slices(
            {
                "encoded": encoded,
                "label": np.arange(count, dtype=np.int64),
                "index": np.arange(count, dtype=np.int64),
            }
        ),
        "a test",
    )


def make_photo_source(side=16):
    shape = (side, side, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    encoded = tf.io.encode_png(pixels).numpy()
    return sources.ImageSource(
        8,
        lambda: tf.data.Dataset.from_tensor_slices(
            {
                "encoded": [encoded] * 8,
                "label": np.zeros(8, np.int64),
                "index": np.arange(8),
            }
        ),
        "a test",
    )


def write_records(path, source, num_classes=3):
    """Pseudo-labelled records of a source; returns their probabilities."""
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.ones(num_classes), source.num_images)
    with shards.shard_writer(path) as writer:
        for row, example in zip(
            probabilities, source.read().as_numpy_iterator(), strict=True
        ):
            writer.write(
                records.encode_pseudo_labeled(
                    example["encoded"], int(row.argmax()), row
                )
            )
    return probabilities


def unlabeled(path, batches):
    number, _ = record_files.scan(path)
    source = pseudo_labeled.PseudoLabeledSource.from_files(
        [str(path)], number, 3
    )
    return pipelines.unlabeled_images(source, batches)


def take(dataset, count):
    return list(dataset.take(count).as_numpy_iterator())


def labeled(
    image_format=SMALL, noise=PLAIN, seed=0, first_batch=0, batch=4, **options
):
    batches = pipelines.BatchSpec(
        image_format, noise, batch, seed, first_batch, **options
    )
    return pipelines.labeled_images(make_source(), batches)

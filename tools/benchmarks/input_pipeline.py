"""How fast is the whole input pipeline, and where does its time go?

In: JPEGs of 500 x 375 pixels, cut from photographs, in memory. Out: augmented
batches of 224 px. Ours is `pipelines.labeled_images` as training uses it; the
plain one decodes, crops and resizes with TensorFlow's operations image by
image, and augments batches with keras-cv's RandAugment. Same threads, turns,
medians:

  python -m tools.benchmarks.input_pipeline

The table's other lines are our pipeline without its last parts; what each of
them adds to the time of an image is its share.
"""

import functools
import json

import numpy as np
import tensorflow as tf
from absl import app

from noisy_student import noise
from noisy_student.config import InputConfig, NoiseConfig
from noisy_student.data import pipelines, sources, views
from tools.benchmarks import photographs, turns

PHOTOGRAPH = (500, 375)  # width and height
_SIDE = 224
_BATCH_SIZE = 64
_BATCHES = 40  # of a turn: some seconds
_SIDES = ("ours", "plain", "unaugmented", "decoded")


def make_side(name: str, batches: int, threads: int) -> turns.Turn:
    """Returns turns of one side, in images/s."""
    turns.use_threads(threads)
    encoded = photographs.jpegs(*PHOTOGRAPH, 64)
    if name in ("ours", "unaugmented"):
        augment_name = "v1" if name == "ours" else "none"
        dataset = our_pipeline(encoded, augment_name, threads)
    elif name == "plain":
        dataset = plain_pipeline(encoded, threads)
    else:
        dataset = decoding_alone(encoded, threads)
    return turns.over_batches(dataset, batches, _BATCH_SIZE)


def image_format(side: int) -> views.ImageFormat:
    """The form of photographs in training."""
    return views.ImageFormat(side, small=False, horizontal_flip=True)


def our_pipeline(
    encoded: list[bytes],
    augment_name: str,
    threads: int,
    side: int = _SIDE,
    batch_size: int = _BATCH_SIZE,
    noise_form: str = "compiled",
) -> tf.data.Dataset:
    """Returns the batches that training reads."""
    source = sources.ImageSource(
        len(encoded), functools.partial(_examples, encoded), "photographs"
    )
    batches = pipelines.BatchSpec(
        image_format(side),
        NoiseConfig(augment_name, randaug_mag=15),
        batch_size,
        seed=0,
        noise_form=noise_form,
        input=InputConfig(num_parallel_calls=threads),
    )
    return pipelines.labeled_images(source, batches)


def plain_pipeline(encoded: list[bytes], threads: int) -> tf.data.Dataset:
    """Returns the usual pipeline, of TensorFlow's and keras-cv's operations."""
    augment = noise.keras_cv_rand_augment(2, 15)

    def view(example: dict) -> tuple[tf.Tensor, tf.Tensor]:
        image = tf.io.decode_jpeg(example["encoded"], channels=3)
        begin, size, _ = tf.image.sample_distorted_bounding_box(
            tf.shape(image),
            tf.constant([[[0.0, 0.0, 1.0, 1.0]]]),
            min_object_covered=0.0,
            aspect_ratio_range=(3 / 4, 4 / 3),
            area_range=(0.08, 1.0),
            max_attempts=10,
        )
        image = tf.image.resize(
            tf.slice(image, begin, size), [_SIDE, _SIDE], "bicubic"
        )
        image = tf.image.random_flip_left_right(image)
        image = tf.cast(tf.clip_by_value(image, 0, 255), tf.uint8)
        return tf.ensure_shape(image, [_SIDE, _SIDE, 3]), example["label"]

    no_seed = tf.zeros([2], tf.int64)
    dataset = (
        _examples(encoded)
        .repeat()
        .shuffle(len(encoded))
        .map(view, num_parallel_calls=threads)
        .batch(_BATCH_SIZE, drop_remainder=True)
        .map(
            lambda images, labels: (augment(images, no_seed), labels),
            num_parallel_calls=threads,
        )
    )
    return turns.prefetched(dataset)


def decoding_alone(encoded: list[bytes], threads: int) -> tf.data.Dataset:
    """Returns our pipeline's random windows, decoded and thrown away."""

    def mean(number: tf.Tensor, example: dict) -> tf.Tensor:
        seed = tf.stack([number, 0])
        window = noise.decode_random_area(example["encoded"], _SIDE, seed)
        return window[0, 0, 0]

    dataset = (
        _examples(encoded)
        .repeat()
        .enumerate()
        .map(mean, num_parallel_calls=threads)
        .batch(_BATCH_SIZE)
    )
    return turns.prefetched(dataset)


def _examples(encoded: list[bytes]) -> tf.data.Dataset:
    number = np.arange(len(encoded), dtype=np.int64)
    return tf.data.Dataset.from_tensor_slices(
        {"encoded": encoded, "label": number, "index": number}
    )


def main(_: list[str]) -> None:
    """Prints the table and the ratios."""
    batches, threads = turns.BATCHES.value or _BATCHES, turns.THREADS.value
    speeds = turns.compare(
        {
            name: functools.partial(make_side, name, batches, threads)
            for name in _SIDES
        }
    )
    print(f"{'':>12}{'images/s':>10}{'us/image':>13}")
    for name, speed in speeds.items():
        print(f"{name:>12}{speed:>10.0f}{1e6 / speed:>13.0f}")
    whole = 1 / speeds["ours"]
    decoding = 1 / speeds["decoded"] / whole
    augmenting = 1 - 1 / speeds["unaugmented"] / whole
    print(
        f"decoding {decoding:.0%}, RandAugment {augmenting:.0%}, the rest "
        f"(resizing, flips, batches) {1 - decoding - augmenting:.0%}"
    )
    ratios = {
        "plain": speeds["ours"] / speeds["plain"],
        "decoding_share": decoding,
        "rand_augment_share": augmenting,
    }
    print(json.dumps({name: round(value, 2) for name, value in ratios.items()}))


if __name__ == "__main__":
    app.run(main)

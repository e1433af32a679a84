"""scikit-learn's 1,797 scanned digits, 8x8 grey, as PNGs: the default task."""

import functools

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

from noisy_student.data.sources import ImageSource

NUM_TEST_DIGITS = 400


def load(seed: int) -> tuple[ImageSource, ImageSource]:
    """Returns the digits to train on and those to test on.

    Args:
        seed: The seed of the order, which decides which digits are which.
    """
    digits = load_digits()
    order = np.random.default_rng(seed).permutation(len(digits.target))
    images = np.round(digits.images[order] * (255 / 16)).astype(np.uint8)
    labels = digits.target[order].astype(np.int64)
    encoded = np.array([_encode_png(image) for image in images])
    test, train = slice(None, NUM_TEST_DIGITS), slice(NUM_TEST_DIGITS, None)
    return (
        _array_source(encoded[train], labels[train], "the digits to train on"),
        _array_source(encoded[test], labels[test], "the digits to test on"),
    )


def _encode_png(image: np.ndarray) -> bytes:
    return tf.io.encode_png(image[..., np.newaxis]).numpy()


def _array_source(
    encoded: np.ndarray, labels: np.ndarray, name: str
) -> ImageSource:
    index = np.arange(len(labels))
    examples = {"encoded": encoded, "label": labels, "index": index}
    read = functools.partial(tf.data.Dataset.from_tensor_slices, examples)
    return ImageSource(len(labels), read, name)

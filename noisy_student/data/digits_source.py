"""scikit-learn's 1,797 scanned digits, 8x8 grey, as PNGs: the default task."""

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

from noisy_student import tasks
from noisy_student.config import DataConfig
from noisy_student.data import sources

NUM_TEST_DIGITS = 400


def open_task(config: DataConfig, seed: int) -> sources.TaskData:
    """The digits; see `sources.open_task`.

    Raises:
        ValueError: a split is named.
    """
    for name in ("label_split", "unlabel_split", "test_split"):
        if getattr(config, name) is not None:
            raise ValueError(
                f"{name} is for tensorflow-datasets; the task digits is "
                "split by --num_labeled and --seed."
            )
    task = tasks.KNOWN["digits"]
    digits = load_digits()
    order = np.random.default_rng(seed).permutation(len(digits.target))
    images = np.round(digits.images[order] * (255 / 16)).astype(np.uint8)
    labels = digits.target[order].astype(np.int64)
    encoded = np.array([_encode_png(image) for image in images])

    num_labeled = config.num_labeled or task.num_labeled
    assert num_labeled is not None  # the table has it
    test, train = slice(None, NUM_TEST_DIGITS), slice(NUM_TEST_DIGITS, None)
    labeled, unlabeled = sources.split_labeled(
        _array_source(encoded[train], labels[train], "the digits to train on"),
        labels[train],
        num_labeled,
        task.num_classes,
        seed,
    )
    return sources.TaskData(
        task,
        labeled,
        unlabeled,
        _array_source(encoded[test], labels[test], "the digits to test on"),
        sources.make_identity(config, num_labeled, seed),
    )


def _encode_png(image: np.ndarray) -> bytes:
    return tf.io.encode_png(image[..., np.newaxis]).numpy()


def _array_source(
    encoded: np.ndarray, labels: np.ndarray, name: str
) -> sources.ImageSource:
    def read() -> tf.data.Dataset:
        index = np.arange(len(labels))
        return tf.data.Dataset.from_tensor_slices(
            {"encoded": encoded, "label": labels, "index": index}
        )

    return sources.ImageSource(len(labels), read, name)

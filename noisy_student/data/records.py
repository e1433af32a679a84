"""The schema of the record files.

Every key of a TF Example is named only here:

* images: `image/encoded` (JPEG, PNG, BMP or GIF bytes), `image/class/label`
  (int64, 1-based; absent, or below 1, where it is unknown) and, for people,
  `image/filename`. Outside of this module labels are 0-based, and negative
  where unknown;
* unlabelled, as the original makes them of SVHN: those of images, and those of
  pseudo-labelled ones, which are all zero;
* pseudo-labelled: `image/encoded` (as above), `label` (int64, 0-based),
  `prob` (float32), `probabilities` (float32, classes);
* predictions, in the order of the images: `classes` (int64, the arg max) and
  `probabilities`.

`files/shards.py` writes files of them.
"""

import functools
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from etils import epath

from noisy_student.data import record_files
from noisy_student.errors import InputError

# Records read at a time.
BATCH = 1024


def encode_image(encoded: bytes, label: int, filename: str) -> bytes:
    """Serialises an image.

    Args:
        encoded: JPEG, PNG, BMP or GIF bytes.
        label: The label, 0-based; negative if unknown.
        filename: Where the image came from.
    """
    features = {
        "image/encoded": _bytes(encoded),
        "image/filename": _bytes(filename.encode()),
    }
    if label >= 0:
        features["image/class/label"] = _ints([label + 1])
    return _serialize(features)


def encode_unpredicted(
    encoded: bytes, label: int, filename: str, num_classes: int
) -> bytes:
    """Serialises an unlabelled image that no teacher has seen yet.

    Args:
        encoded: JPEG, PNG, BMP or GIF bytes.
        label: The true label, 0-based; negative if unknown.
        filename: Where the image came from.
        num_classes: The size of the probabilities, which are all zero.
    """
    zero = np.float32(0).tobytes()
    return b"".join(
        (
            encode_image(encoded, label, filename),
            _int_example("label", 0),
            _floats_head("prob", 1),
            zero,
            _floats_head("probabilities", num_classes),
            zero * num_classes,
        )
    )


def parse_images(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
    """Parses images.

    Args:
        serialized: The records, string (batch,).

    Returns:
        `encoded`, string (batch,), and `label`, int64 (batch,), 0-based and
        negative where unknown.
    """
    features = tf.io.parse_example(
        serialized,
        {
            "image/encoded": tf.io.FixedLenFeature([], tf.string),
            "image/class/label": tf.io.FixedLenFeature([], tf.int64, 0),
        },
    )
    return {
        "encoded": features["image/encoded"],
        "label": features["image/class/label"] - 1,
    }


def encode_pseudo_labeled(
    encoded: bytes, label: int, probabilities: np.ndarray
) -> bytes:
    """Serialises an image with its pseudo label.

    Args:
        encoded: JPEG, PNG, BMP or GIF bytes.
        label: The pseudo label, 0-based.
        probabilities: The teacher's probabilities, float32 (classes,).
    """
    # Concatenated Examples are one with all their features (protobuf merges
    # them), and most of their bytes are the same for many images.
    probabilities = np.asarray(probabilities, np.float32)
    return b"".join(
        (
            _image_head(len(encoded)),
            encoded,
            _int_example("label", label),
            _floats_head("prob", 1),
            probabilities[label].tobytes(),
            _floats_head("probabilities", len(probabilities)),
            probabilities.tobytes(),
        )
    )


def parse_pseudo_labeled(
    serialized: tf.Tensor, num_classes: int
) -> dict[str, tf.Tensor]:
    """Parses images with pseudo labels.

    Args:
        serialized: The records, string (batch,).
        num_classes: The size of the probabilities.

    Returns:
        `encoded`, string (batch,), `label`, int64 (batch,), and
        `probabilities`, float32 (batch, num_classes).
    """
    features = {
        "image/encoded": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
        "probabilities": tf.io.FixedLenFeature([num_classes], tf.float32),
    }
    example = tf.io.parse_example(serialized, features)
    return example | {"encoded": example.pop("image/encoded")}


def first_probabilities(path: epath.Path) -> np.ndarray | None:
    """Returns the probabilities of a file's first record, whatever it is of.

    Returns:
        float32 (classes,): empty where the record has none, and all zero where
        the original program has not predicted it yet. None for an empty file.

    Raises:
        InputError: The record is no TF Example.
    """
    first = record_files.read_at(path, [0])
    if not first:
        return None
    feature = {"probabilities": tf.io.VarLenFeature(tf.float32)}
    try:
        parsed = tf.io.parse_single_example(first[0], feature)
    except tf.errors.InvalidArgumentError as error:
        raise InputError(
            f"The first record of {path} is damaged, or no TF Example: "
            f"{error.message}"
        ) from error
    return parsed["probabilities"].values.numpy()


def encode_prediction(probabilities: np.ndarray) -> bytes:
    """Serialises the teacher's probabilities, float32 (classes,)."""
    probabilities = np.asarray(probabilities, np.float32)
    return b"".join(
        (
            _int_example("classes", int(np.argmax(probabilities))),
            _floats_head("probabilities", len(probabilities)),
            probabilities.tobytes(),
        )
    )


def read_predictions(
    path: epath.Path, num_classes: int
) -> Iterator[np.ndarray]:
    """Reads a file of predictions in order, some rows at a time.

    Args:
        path: The file.
        num_classes: The size of the probabilities.

    Yields:
        float32 (rows, num_classes); `BATCH` rows or, at the end, fewer.

    Raises:
        InputError: The file is damaged, was predicted for another number of
            classes, or has values outside of [0, 1].
    """
    feature = tf.io.FixedLenFeature([num_classes], tf.float32)

    dataset = (
        tf.data.TFRecordDataset(str(path))
        .batch(BATCH)
        .map(
            lambda batch: tf.io.parse_example(
                batch, {"probabilities": feature}
            )["probabilities"]
        )
        .prefetch(2)
    )
    first = 0
    try:
        for probabilities in dataset.as_numpy_iterator():
            _check_probabilities(probabilities, path, first)
            first += len(probabilities)
            yield probabilities
    except tf.errors.InvalidArgumentError as error:
        raise InputError(
            f"{path} does not hold predictions of {num_classes} classes: "
            f"{error.message}"
        ) from error
    except (tf.errors.DataLossError, tf.errors.NotFoundError) as error:
        raise InputError(
            f"{path} is damaged: {error.message}. Delete it and its info "
            "file, and predict this shard again."
        ) from error


def _check_probabilities(
    probabilities: np.ndarray, path: epath.Path, first: int
) -> None:
    # Written so that it does not hold for NaN either.
    if (probabilities >= 0).all() and (probabilities <= 1 + 1e-3).all():
        return
    sound = ((probabilities >= 0) & (probabilities <= 1 + 1e-3)).all(axis=1)
    raise InputError(
        f"record {first + int(np.argmin(sound))} of {path} has probabilities "
        "that are NaN or outside of [0, 1]; predict this shard again with a "
        "sound teacher."
    )


@functools.lru_cache(maxsize=4096)
def _image_head(size: int) -> bytes:
    """Returns an Example with an image of `size` bytes, without these."""
    example = _serialize({"image/encoded": _bytes(bytes(size))})
    return example[: len(example) - size]


@functools.cache
def _int_example(key: str, value: int) -> bytes:
    """Returns an Example with one integer."""
    return _serialize({key: _ints([value])})


@functools.cache
def _floats_head(key: str, count: int) -> bytes:
    """Returns an Example with `count` float32, without their bytes."""
    return _serialize({key: _floats(np.zeros(count))})[: -4 * count]


def _serialize(features: dict[str, tf.train.Feature]) -> bytes:
    example = tf.train.Example(features=tf.train.Features(feature=features))
    # Otherwise the order of the features differs between processes.
    return example.SerializeToString(deterministic=True)


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _ints(values) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _floats(values) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))

"""The schema of the record files, and whole shards of them.

Every key of a TF Example is named here and nowhere else:

* images: `image/encoded` (JPEG, PNG, BMP or GIF bytes), `image/class/label`
  (int64, 1-based; absent, or below 1, where it is unknown) and, for people,
  `image/filename`. Outside of this module labels are 0-based, and negative
  where unknown;
* pseudo-labelled: `image/encoded` (JPEG or PNG bytes), `label` (int64,
  0-based), `prob` (float32), `probabilities` (float32, classes);
* predictions, in the order of the images: `classes` (int64, the arg max) and
  `probabilities`.

A shard is written under a temporary name and renamed when it is whole.
"""

import contextlib
import pathlib
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from noisy_student.errors import InputError


def shard_name(prefix: str, index: int, count: int) -> str:
    """`train-00000-of-00128` for ("train", 0, 128)."""
    return f"{prefix}-{index:05d}-of-{count:05d}"


def encode_image(encoded: bytes, label: int, filename: str) -> bytes:
    """Serialises an image.

    Args:
        encoded: JPEG, PNG, BMP or GIF bytes.
        label: 0-based; negative where unknown.
        filename: where the image came from.
    """
    features = {
        "image/encoded": _bytes(encoded),
        "image/filename": _bytes(filename.encode()),
    }
    if label >= 0:
        features["image/class/label"] = _ints([label + 1])
    return _serialize(features)


def parse_images(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
    """Parses images.

    Args:
        serialized: string (batch,).

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
        encoded: JPEG or PNG bytes.
        label: the kept class, 0-based.
        probabilities: float (classes,), the teacher's.
    """
    return _serialize(
        {
            "image/encoded": _bytes(encoded),
            "label": _ints([label]),
            "prob": _floats(probabilities[label : label + 1]),
            "probabilities": _floats(probabilities),
        }
    )


def read_pseudo_labeled(paths: list[str], num_classes: int) -> tf.data.Dataset:
    """Reads files of pseudo-labelled records, one after the other.

    Returns:
        A dataset of dicts: `encoded` (string), `label` (int64),
        `probabilities` (float32, (classes,)) and `record` (string), which
        names the record in messages.
    """

    def read_file(path: tf.Tensor) -> tf.data.Dataset:
        def parse(number: tf.Tensor, serialized: tf.Tensor):
            name = ["record ", tf.strings.as_string(number), " of ", path]
            example = _parse_pseudo_labeled(serialized, num_classes)
            return example | {"record": tf.strings.join(name)}

        return tf.data.TFRecordDataset(path).enumerate().map(parse)

    return tf.data.Dataset.from_tensor_slices(paths).flat_map(read_file)


def _parse_pseudo_labeled(
    serialized: tf.Tensor, num_classes: int
) -> dict[str, tf.Tensor]:
    """Parses one pseudo-labelled record."""
    features = tf.io.parse_single_example(
        serialized,
        {
            "image/encoded": tf.io.FixedLenFeature([], tf.string),
            "label": tf.io.FixedLenFeature([], tf.int64),
            "probabilities": tf.io.FixedLenFeature([num_classes], tf.float32),
        },
    )
    return {
        "encoded": features["image/encoded"],
        "label": features["label"],
        "probabilities": features["probabilities"],
    }


def encode_prediction(probabilities: np.ndarray) -> bytes:
    """Serialises the teacher's probabilities, float (classes,)."""
    return _serialize(
        {
            "classes": _ints([int(np.argmax(probabilities))]),
            "probabilities": _floats(probabilities),
        }
    )


def read_predictions(path: pathlib.Path, num_classes: int) -> np.ndarray:
    """Reads a shard of predictions.

    Returns:
        float32 (images, classes), in the order of the images.

    Raises:
        InputError: the shard was predicted for another number of classes.
    """
    feature = tf.io.FixedLenFeature([num_classes], tf.float32)
    dataset = tf.data.TFRecordDataset(str(path)).batch(1024)
    try:
        batches = [
            tf.io.parse_example(batch, {"probabilities": feature})
            for batch in dataset
        ]
    except tf.errors.InvalidArgumentError as error:
        raise InputError(
            f"{path} does not hold predictions of {num_classes} classes: "
            f"{error.message}"
        ) from error
    if not batches:
        return np.zeros([0, num_classes], np.float32)
    return np.concatenate([b["probabilities"].numpy() for b in batches])


class ShardWriter:
    """Writes records to a file that has another name until it is whole."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        with self._errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = tf.io.TFRecordWriter(str(self._temporary))

    @property
    def _temporary(self) -> pathlib.Path:
        return self._path.with_name(f"tmp.{self._path.name}")

    def write(self, record: bytes) -> None:
        """Adds a record.

        Raises:
            InputError: there is no room, or another error of the disk.
        """
        with self._errors():
            self._writer.write(record)

    def finish(self) -> None:
        """Gives the file its name; raises as `write`."""
        with self._errors():
            self._writer.close()
            self._temporary.replace(self._path)

    def discard(self) -> None:
        """Removes what was written."""
        with contextlib.suppress(OSError, tf.errors.OpError):
            self._writer.close()
        with contextlib.suppress(OSError):
            self._temporary.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, tf.errors.OpError) as error:
            raise InputError(
                f"{self._path} cannot be written: {error}. Make room or name "
                "another directory, and run the same command again."
            ) from error


@contextlib.contextmanager
def shard_writer(path: pathlib.Path) -> Iterator[ShardWriter]:
    """A writer whose file appears at `path` only when it is whole.

    Raises:
        InputError: the file cannot be written.
    """
    writer = ShardWriter(path)
    try:
        yield writer
        writer.finish()
    except BaseException:
        writer.discard()
        raise


def _serialize(features: dict[str, tf.train.Feature]) -> bytes:
    example = tf.train.Example(features=tf.train.Features(feature=features))
    # Or else the features' order differs from process to process.
    return example.SerializeToString(deterministic=True)


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _ints(values) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _floats(values) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))

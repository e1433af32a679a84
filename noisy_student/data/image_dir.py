"""A folder of any images, to be labelled: which they are, and their bytes."""

import os

import tensorflow as tf
from etils import epath

from noisy_student.data import image_files, reading
from noisy_student.data.sources import ImageSource


def find(directory: epath.Path) -> list[str]:
    """Returns the paths of the images in a folder and its folders, sorted.

    One warning tells of files that are no images.

    Raises:
        ValueError: There is no such folder, or it has no images.
    """
    if not directory.is_dir():
        raise ValueError(f"image_dir: there is no directory {directory}.")
    paths, others = image_files.find(directory)
    image_files.warn_of_others(others, str(directory))
    if not paths:
        raise ValueError(
            f"image_dir={directory} must hold images "
            f"({' '.join(image_files.EXTENSIONS)}); it has none."
        )
    return paths


def source(paths: list[str], name: str) -> ImageSource:
    """Returns the images of some files.

    Args:
        paths: Of the files.
        name: Of the source, for messages.
    """
    # As the system has them, whatever their encoding.
    names = tf.constant([os.fsencode(path) for path in paths], tf.string)

    def read_file(index: tf.Tensor, path: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            "encoded": tf.io.read_file(path),
            "label": tf.constant(-1, tf.int64),
            "index": index,
            "record": path,
        }

    def read() -> tf.data.Dataset:
        numbered = tf.data.Dataset.from_tensor_slices(names).enumerate()
        return reading.several_at_once(numbered, read_file)

    return ImageSource(len(paths), read, name, exif=True)

"""Small copies of photographs in memory, so that each is decoded once.

Without them every epoch of training would decode photographs of many
megapixels again.
"""

import functools
import os
import threading
from collections.abc import Callable

import tensorflow as tf

from noisy_student.config.paths import to_path
from noisy_student.data import decoding, photos
from noisy_student.files import remote

# How much larger than a model's input the shorter side of a copy is.
_MARGIN = 1.5
# What a copy takes, rather more than less.
_BYTES_PER_PIXEL, _ASPECT_RATIO = 0.5, 1.5


class Copies:
    """Small copies of photographs, made when they are first asked for.

    Args:
        side: The shorter side of a copy, in pixels.
    """

    def __init__(self, side: int) -> None:
        self._side = side
        self._copies: dict[bytes, bytes] = {}
        self._lock = threading.Lock()

    def read(self, path: tf.Tensor) -> tf.Tensor:
        """Returns the copy of a file, string (); see `photos.smaller`."""
        return _by_python(self._read, path)

    def _read(self, path: bytes) -> bytes:
        copy = self._copies.get(path)
        if copy is None:
            copy = photos.smaller(_content(path), self._side)
            with self._lock:
                self._copies[path] = copy
        return copy


def copies_for(num_images: int, side: int, max_bytes: int) -> Copies | None:
    """Returns the copies that serve a model, shared by all of its pipelines.

    Args:
        num_images: The number of photographs.
        side: The side of the model's input, in pixels.
        max_bytes: The most memory that they may take.

    Returns:
        None where they would take more, or other processes read the images.
    """
    shorter = round(_MARGIN * side)
    size = _BYTES_PER_PIXEL * _ASPECT_RATIO * shorter**2
    if num_images * size > max_bytes or decoding.is_elsewhere():
        return None
    return _copies(shorter)


@functools.cache
def _copies(side: int) -> Copies:
    return Copies(side)


def read_any(path: tf.Tensor) -> tf.Tensor:
    """Returns a file, string (), as TensorFlow can decode it."""
    return _by_python(lambda path: photos.readable(_content(path)), path)


def _by_python(read: Callable[[bytes], bytes], path: tf.Tensor) -> tf.Tensor:
    content = tf.numpy_function(read, [path], tf.string, stateful=False)
    return tf.ensure_shape(content, [])


def _content(path: bytes) -> bytes:
    with remote.open_binary(to_path(os.fsdecode(path))) as file:
        return file.read()

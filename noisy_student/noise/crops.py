"""Crops: from an encoded image to a square.

Only the part of a JPEG that is needed is decoded. The functions have no
state: the same seed, int32 or int64 (2,), gives the same result on every
device.
"""

from collections.abc import Callable

import tensorflow as tf

CROP_PADDING = 32  # evaluation sees size / (size + 32) of the short side
# TensorFlow's default is not faster (measured) and up to 30 levels off.
JPEG_METHOD = "INTEGER_ACCURATE"


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a JPEG, PNG, BMP or GIF (its first frame).

    Args:
      encoded: The content of the file, string ().

    Returns:
      RGB values in [0, 255], uint8 (height, width, 3). Grey becomes RGB, and
      transparency is dropped. The palette of an 8-bit BMP is taken for grey.

    Raises:
      tf.errors.InvalidArgumentError: The content is no such image.
    """
    image = tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: tf.io.decode_jpeg(encoded, 3, dct_method=JPEG_METHOD),
        lambda: _decode_others(encoded),
    )
    return tf.ensure_shape(image, [None, None, 3])


def random_area_crop(
    encoded: tf.Tensor, size: int, seed: tf.Tensor
) -> tf.Tensor:
    """Cuts out 8 to 100 % of the area at random, as Inception was trained.

    The window's width is 3/4 to 4/3 of its height. If 10 tries find no window
    in the image, or the window is the whole image, the window of
    `central_crop` is taken. The part of a JPEG below the window is not read,
    so it is not noticed if it is missing. Source: Szegedy et al., arXiv
    1409.4842, as the EfficientNets of arXiv 1911.04252 use it.

    Args:
      encoded: The content of a file, string (), see `decode`.
      size: The side of the result in pixels.
      seed: int32 or int64 (2,).

    Returns:
      uint8 (size, size, 3), resized bicubically.

    Raises:
      ValueError: The size is not positive.
    """
    _check_positive("size", size)
    return resize(decode_random_area(encoded, size, seed), size)


def decode_random_area(
    encoded: tf.Tensor, size: int, seed: tf.Tensor
) -> tf.Tensor:
    """Returns `random_area_crop` before resizing: uint8 (height, width, 3)."""
    return _decode_window(
        encoded, lambda shape: _random_window(shape, size, seed)
    )


def central_crop(encoded: tf.Tensor, size: int) -> tf.Tensor:
    """Cuts out the central square, size / (size + 32) of the short side.

    Args:
      encoded: The content of a file, string (), see `decode`.
      size: The side of the result in pixels.

    Returns:
      uint8 (size, size, 3), resized bicubically.

    Raises:
      ValueError: The size is not positive.
    """
    _check_positive("size", size)
    square = _decode_window(encoded, lambda shape: _central_window(shape, size))
    return resize(square, size)


def random_and_central_crop(
    encoded: tf.Tensor, size: int, central_size: int, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the student's and the teacher's view of an image, decoded once.

    Args:
      encoded: The content of a file, string (), see `decode`.
      size: The side of the random crop in pixels.
      central_size: The side of the central crop in pixels.
      seed: int32 or int64 (2,).

    Returns:
      What `random_area_crop` and `central_crop` return.

    Raises:
      ValueError: A size is not positive.
    """
    _check_positive("size", size)
    _check_positive("central_size", central_size)
    image = decode(encoded)
    shape = tf.shape(image)
    random = _cut(image, _random_window(shape, size, seed))
    central = _cut(image, _central_window(shape, central_size))
    return resize(random, size), resize(central, central_size)


def _random_window(shape: tf.Tensor, size: int, seed: tf.Tensor) -> tf.Tensor:
    """Draws a window, int32 (top, left, height, width), in an image.

    `shape` is int32 (height, width, 3). The whole image is one object, none
    of which must be covered, so that areas down to 8 % are accepted.
    """
    begin, extent, _ = tf.image.stateless_sample_distorted_bounding_box(
        shape,
        bounding_boxes=tf.constant([[[0.0, 0.0, 1.0, 1.0]]]),
        seed=seed,
        min_object_covered=0.0,
        aspect_ratio_range=(3 / 4, 4 / 3),
        area_range=(0.08, 1.0),
        max_attempts=10,
    )
    # Failure is reported as a window that is the whole image.
    failed = tf.reduce_all(extent[:2] == shape[:2])
    drawn = tf.concat([begin[:2], extent[:2]], axis=0)
    return tf.where(failed, _central_window(shape, size), drawn)


def _central_window(shape: tf.Tensor, size: int) -> tf.Tensor:
    """Returns the central square's (top, left, height, width), int32."""
    short = tf.minimum(shape[0], shape[1])
    side = tf.maximum(short * size // (size + CROP_PADDING), 1)
    top, left = (shape[0] - side + 1) // 2, (shape[1] - side + 1) // 2
    return tf.stack([top, left, side, side])


def _decode_window(
    encoded: tf.Tensor, choose: Callable[[tf.Tensor], tf.Tensor]
) -> tf.Tensor:
    """Decodes the window that `choose` returns for the image's shape."""

    def from_jpeg() -> tf.Tensor:
        # The shape is in the header, so the rest is never decoded.
        shape = tf.io.extract_jpeg_shape(encoded)
        window = choose(tf.concat([shape[:2], [3]], axis=0))
        return tf.io.decode_and_crop_jpeg(
            encoded, window, channels=3, dct_method=JPEG_METHOD
        )

    def from_others() -> tf.Tensor:
        image = _decode_others(encoded)
        return _cut(image, choose(tf.shape(image)))

    return tf.cond(tf.io.is_jpeg(encoded), from_jpeg, from_others)


def _cut(image: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """Cuts out a window, int32 (top, left, height, width)."""
    top, left, height, width = tf.unstack(window)
    return image[top : top + height, left : left + width]


def _decode_others(encoded: tf.Tensor) -> tf.Tensor:
    return tf.io.decode_image(encoded, channels=3, expand_animations=False)


def resize(image: tf.Tensor, size: int) -> tf.Tensor:
    """Resizes an image bicubically.

    Args:
      image: uint8 (height, width, 3).
      size: The side of the result in pixels.

    Returns:
      uint8 (size, size, 3), rounded.
    """
    resized = tf.image.resize(image, [size, size], method="bicubic")
    rounded = tf.saturate_cast(tf.round(resized), tf.uint8)
    return tf.ensure_shape(rounded, [size, size, 3])


def _check_positive(name: str, value: int) -> None:
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")

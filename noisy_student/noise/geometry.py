"""The geometric operations of RandAugment, each a pure function on one image.

As in `image_ops`, they take and return uint8 (height, width, 3) and compute
what PIL computes: the nearest pixel, or grey 128 if that lies outside of the
image. The sign, 1 or -1, may be a tensor, so that one program serves both
directions.
"""

import math
from collections.abc import Callable

import tensorflow as tf

from noisy_student.noise.image_ops import FILL

# (a, b, c, d, e, f): the pixel (x, y) comes from (ax + by + c, dx + ey + f).
_Matrix = tuple[tf.Tensor | float, ...]


def rotate(
    image: tf.Tensor, degrees: float, sign: tf.Tensor | int = 1
) -> tf.Tensor:
    """Rotates by sign * degrees, as `Image.rotate(fillcolor=128)` does.

    Positive angles are counter-clockwise, about the centre of the image.

    Args:
      image: uint8 (height, width, 3).
      degrees: The angle.
      sign: 1 or -1, a number or an integer tensor ().

    Returns:
      uint8 (height, width, 3).
    """
    # PIL rounds too, so that right angles are exact.
    cosine = round(math.cos(math.radians(degrees)), 15)
    sine = round(math.sin(math.radians(degrees)), 15)
    middle = tf.cast(tf.shape(image)[:2], tf.float64) / 2
    y, x = middle[0], middle[1]

    def matrix(sign: int) -> _Matrix:
        left = x - cosine * x + sign * sine * y
        top = y - sign * sine * x - cosine * y
        return cosine, -sign * sine, left, sign * sine, cosine, top

    return _transform(image, matrix, sign)


def shear_x(
    image: tf.Tensor, slope: float, sign: tf.Tensor | int = 1
) -> tf.Tensor:
    """Takes the pixel (x, y) from (x + sign * slope * y, y).

    As `Image.transform(AFFINE, (1, slope, 0, 0, 1, 0), fillcolor=128)`.
    """
    return _transform(image, lambda s: (1, s * slope, 0, 0, 1, 0), sign)


def shear_y(
    image: tf.Tensor, slope: float, sign: tf.Tensor | int = 1
) -> tf.Tensor:
    """Takes the pixel (x, y) from (x, y + sign * slope * x).

    As `Image.transform(AFFINE, (1, 0, 0, slope, 1, 0), fillcolor=128)`.
    """
    return _transform(image, lambda s: (1, 0, 0, s * slope, 1, 0), sign)


def translate_x(
    image: tf.Tensor, pixels: float, sign: tf.Tensor | int = 1
) -> tf.Tensor:
    """Takes the pixel (x, y) from (x + sign * pixels, y).

    As `Image.transform(AFFINE, (1, 0, pixels, 0, 1, 0), fillcolor=128)`:
    positive moves the content to the left.
    """
    return _transform(image, lambda s: (1, 0, s * pixels, 0, 1, 0), sign)


def translate_y(
    image: tf.Tensor, pixels: float, sign: tf.Tensor | int = 1
) -> tf.Tensor:
    """Takes the pixel (x, y) from (x, y + sign * pixels).

    As `Image.transform(AFFINE, (1, 0, 0, 0, 1, pixels), fillcolor=128)`:
    positive moves the content up.
    """
    return _transform(image, lambda s: (1, 0, 0, 0, 1, s * pixels), sign)


def _transform(
    image: tf.Tensor,
    matrix: Callable[[int], _Matrix],
    sign: tf.Tensor | int,
) -> tf.Tensor:
    """Transforms by matrix(sign), as `Image.transform(AFFINE, NEAREST)`.

    Coordinates are those of pixel centres, in fixed point with 16 fractional
    bits. As in PIL, sides have at most 32767 pixels.
    """
    # Both matrices are constants to XLA. If they were computed from the sign,
    # every pixel would repeat the arithmetic in float64.
    a, b, c, d, e, f = tf.unstack(
        tf.where(tf.equal(sign, 1), _fixed(matrix(1)), _fixed(matrix(-1)))
    )
    height, width = tf.shape(image)[0], tf.shape(image)[1]
    x, y = tf.range(width), tf.range(height)[:, None]
    x_in = tf.bitwise.right_shift(a * x + b * y + c, 16)
    y_in = tf.bitwise.right_shift(d * x + e * y + f, 16)
    inside = (x_in >= 0) & (x_in < width) & (y_in >= 0) & (y_in < height)
    # Everything outside reads pixel 0: TensorFlow refuses a wrong index.
    index = tf.where(inside, y_in * width + x_in, 0)
    # A pixel is moved as one number of four bytes rather than as three.
    pixels = tf.bitcast(tf.pad(image, [[0, 0], [0, 0], [0, 1]]), tf.int32)
    moved = tf.gather(tf.reshape(pixels, [-1]), index)
    grey = FILL * 0x010101
    return tf.bitcast(tf.where(inside, moved, grey), tf.uint8)[..., :3]


def _fixed(matrix: _Matrix) -> tf.Tensor:
    """A matrix between pixel centres in steps of 1/65536: int32 (6,)."""
    a, b, c, d, e, f = (tf.cast(entry, tf.float64) for entry in matrix)
    centred = tf.stack([a, b, c + (a + b) / 2, d, e, f + (d + e) / 2])
    return tf.cast(tf.floor(centred * 65536 + 0.5), tf.int32)

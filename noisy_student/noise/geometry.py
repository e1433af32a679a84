"""The geometric operations of RandAugment: matrices, and what moves pixels.

As in `image_ops`, images are uint8 (batch, height, width, 3), and the result
is what PIL computes: the nearest pixel, or grey 128 if that lies outside of
the image. Each operation is a matrix, so that one program serves all of them.
"""

import math

import tensorflow as tf

from noisy_student.noise.image_ops import FILL

# (a, b, c, d, e, f): the pixel (x, y) comes from (ax + by + c, dx + ey + f).
Matrix = tuple[float | tf.Tensor, ...]
# Height and width: numbers where they are known, else float64 tensors.
Size = tuple[float | tf.Tensor, float | tf.Tensor]

_FRACTION = 16  # bits


def rotation(degrees: float, size: Size) -> Matrix:
    """Rotates as `Image.rotate(degrees, fillcolor=128)` does.

    Positive angles are counter-clockwise, about the centre of the image.
    """
    # PIL rounds too, so that right angles are exact.
    cosine = round(math.cos(math.radians(degrees)), 15)
    sine = round(math.sin(math.radians(degrees)), 15)
    y, x = size[0] / 2, size[1] / 2
    left = x - cosine * x + sine * y
    top = y - sine * x - cosine * y
    return cosine, -sine, left, sine, cosine, top


def shear_x(slope: float) -> Matrix:
    """Takes the pixel (x, y) from (x + slope * y, y).

    As `Image.transform(AFFINE, (1, slope, 0, 0, 1, 0), fillcolor=128)`.
    """
    return 1.0, slope, 0.0, 0.0, 1.0, 0.0


def shear_y(slope: float) -> Matrix:
    """Takes the pixel (x, y) from (x, y + slope * x).

    As `Image.transform(AFFINE, (1, 0, 0, slope, 1, 0), fillcolor=128)`.
    """
    return 1.0, 0.0, 0.0, slope, 1.0, 0.0


def translation_x(pixels: float) -> Matrix:
    """Takes the pixel (x, y) from (x + pixels, y).

    As `Image.transform(AFFINE, (1, 0, pixels, 0, 1, 0), fillcolor=128)`:
    positive moves the content to the left.
    """
    return 1.0, 0.0, pixels, 0.0, 1.0, 0.0


def translation_y(pixels: float) -> Matrix:
    """Takes the pixel (x, y) from (x, y + pixels).

    As `Image.transform(AFFINE, (1, 0, 0, 0, 1, pixels), fillcolor=128)`:
    positive moves the content up.
    """
    return 1.0, 0.0, 0.0, 0.0, 1.0, pixels


def size_of(images: tf.Tensor) -> Size:
    """Returns the size of images, (batch, height, width, 3)."""
    height, width = images.shape[1:3]
    if height is not None and width is not None:
        return height, width
    size = tf.cast(tf.shape(images)[1:3], tf.float64)
    return size[0], size[1]


def sources(matrices: list[Matrix], images: tf.Tensor) -> tf.Tensor:
    """Returns where matrices take the pixels of an image from.

    Coordinates are those of pixel centres, in fixed point with 16 fractional
    bits. As in PIL, sides have at most 32767 pixels.

    Args:
      matrices: The matrices.
      images: Of the size in question, (batch, height, width, 3).

    Returns:
      int32 (matrices, height * width): places in an image with a frame of one
      pixel, row by row. What would lie further outside is on the frame.
    """
    height, width = tf.shape(images)[1], tf.shape(images)[2]

    def in_frame(place: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
        whole = tf.bitwise.right_shift(place, _FRACTION)
        # One kernel, where `tf.clip_by_value` has two.
        return tf.raw_ops.ClipByValue(
            t=whole, clip_value_min=0, clip_value_max=length + 1
        )

    steps = tf.convert_to_tensor([*map(_fixed, matrices)], tf.float64)
    fixed = tf.cast(steps, tf.int32)
    a, b, c, d, e, f = tf.unstack(fixed[..., tf.newaxis, tf.newaxis], axis=1)
    x, y = tf.range(width), tf.range(height)[:, tf.newaxis]
    one = 1 << _FRACTION  # the frame
    columns = in_frame(a * x + (b * y + (c + one)), width)
    rows = in_frame(d * x + (e * y + (f + one)), height)
    places = rows * (width + 2) + columns
    return tf.reshape(places, [len(matrices), height * width])


def _fixed(matrix: Matrix) -> list[float | tf.Tensor]:
    """A matrix between pixel centres in whole steps of 1/65536."""
    a, b, c, d, e, f = matrix
    centred = (a, b, c + (a + b) / 2, d, e, f + (d + e) / 2)
    return [(x * 2**_FRACTION + 0.5) // 1 for x in centred]


def transform(images: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """Transforms as `Image.transform(AFFINE, NEAREST, fillcolor=128)` does.

    Args:
      images: uint8 (batch, height, width, 3).
      places: Those of `sources` for each image, int32 (batch, height * width).

    Returns:
      uint8 (batch, height, width, 3).
    """
    count, height, width, _ = tf.unstack(tf.shape(images))
    frame = [[0, 0], [1, 1], [1, 1], [0, 0]]
    framed = tf.pad(images, frame, constant_values=FILL)
    pixels = (height + 2) * (width + 2)
    begins = tf.range(count)[:, tf.newaxis] * pixels
    # Uncompiled, `tf.gather` takes 1.5 times as long.
    moved = tf.gather_nd(
        tf.reshape(framed, [count * pixels, 3]),
        tf.reshape(places + begins, [count * height * width, 1]),
    )
    return tf.reshape(moved, tf.shape(images))

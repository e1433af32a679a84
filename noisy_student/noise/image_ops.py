"""The image operations of RandAugment, each a pure function on one image.

Every function takes an RGB image, uint8 (height, width, 3), with values in
[0, 255], and returns an image of the same shape and dtype. Each computes what
the PIL function named in its docstring computes. Nothing is random here;
`policy` draws operations, signs and centres.

Only operations that XLA compiles for the CPU are used, and results do not
depend on whether they were compiled. XLA may fuse a product and a sum and so
skip a rounding step; therefore values are computed in integers where possible
(for the rest, see `_blend`).
"""

import numpy as np
import tensorflow as tf

FILL = 128  # the grey of pixels from outside of the image


def autocontrast(image: tf.Tensor) -> tf.Tensor:
    """Stretches each channel to [0, 255], as `ImageOps.autocontrast`.

    A channel with a single value stays as it is. Where a stretched value is
    a whole number, PIL's rounding errors may put it one level below ours.
    """
    low, high = _extremes(image)
    span = tf.cast(high - low, tf.float32)
    # Exact: quotients of such whole numbers are either whole or further from
    # a whole number than float32's rounding.
    above = tf.cast(image - low, tf.float32) * 255
    stretched = tf.cast(above / tf.maximum(span, 1), tf.uint8)
    return tf.where(span > 0, stretched, image)


def equalize(image: tf.Tensor) -> tf.Tensor:
    """Flattens each channel's histogram, as `ImageOps.equalize`.

    A channel with a single value, or with fewer than 255 pixels below its
    largest value, stays as it is.
    """
    # A loop over the channels: otherwise XLA would compute the levels anew
    # for every pixel that is looked up, which is five times slower.
    return _look_up(image, tf.map_fn(_flat_levels, _histogram(image)))


def invert(image: tf.Tensor) -> tf.Tensor:
    """Returns the negative, as `ImageOps.invert`."""
    return 255 - image


def posterize(image: tf.Tensor, bits: int) -> tf.Tensor:
    """Keeps the `bits` highest bits of each value, as `ImageOps.posterize`.

    0 bits (which PIL refuses) give a black image, 8 or more the image itself;
    fewer bits are stronger.
    """
    kept = 256 - (1 << (8 - min(bits, 8)))
    return tf.bitwise.bitwise_and(image, tf.constant(kept, tf.uint8))


def solarize(image: tf.Tensor, threshold: int) -> tf.Tensor:
    """Inverts values from `threshold` up, as `ImageOps.solarize`.

    A threshold of 256 or more gives the image itself; lower is stronger.
    """
    return tf.where(tf.cast(image, tf.int32) < threshold, image, 255 - image)


def solarize_add(
    image: tf.Tensor, addition: int, threshold: int = 128
) -> tf.Tensor:
    """Adds `addition` to the values below `threshold`, clipped to [0, 255].

    PIL has no such function; RandAugment (arXiv 1909.13719) defines it.
    """
    values = tf.cast(image, tf.int32)
    added = tf.where(values < threshold, values + addition, values)
    return tf.saturate_cast(added, tf.uint8)


def color(image: tf.Tensor, factor: float) -> tf.Tensor:
    """Changes the saturation, as `ImageEnhance.Color`.

    Factor 0 gives a grey image, 1 the image itself, more is more saturated.
    """
    return _blend(_grey(image)[..., None], image, factor)


def contrast(image: tf.Tensor, factor: float) -> tf.Tensor:
    """Changes the distance to the mean grey, as `ImageEnhance.Contrast`.

    The mean is that of the grey image, rounded to a whole number. Factor 0
    gives uniform grey, 1 the image itself, more is more contrast.
    """
    grey = tf.cast(_grey(image), tf.int64)
    pixels = tf.size(grey, out_type=tf.int64)
    mean = (2 * tf.reduce_sum(grey) + pixels) // (2 * pixels)
    return _blend(tf.cast(mean, tf.int32), image, factor)


def brightness(image: tf.Tensor, factor: float) -> tf.Tensor:
    """Scales all values, as `ImageEnhance.Brightness`.

    Factor 0 gives black, 1 the image itself, more is brighter.
    """
    return _blend(tf.constant(0), image, factor)


def sharpness(image: tf.Tensor, factor: float) -> tf.Tensor:
    """Changes the distance to a smoothed image, as `ImageEnhance.Sharpness`.

    Factor 0 gives the image smoothed over 3x3 pixels (except its outermost
    pixels), 1 the image itself, more is sharper.
    """
    return _blend(_smooth(image), image, factor)


def cutout(image: tf.Tensor, centre: tf.Tensor, half_side: int) -> tf.Tensor:
    """Fills a square with grey 128.

    Args:
      image: uint8 (height, width, 3).
      centre: Row and column of the square's centre, int32 (2,).
      half_side: Half the side in pixels. Rows centre - half_side up to, not
        including, centre + half_side are filled, and columns likewise,
        clipped at the border.

    Returns:
      uint8 (height, width, 3).
    """
    rows = tf.range(tf.shape(image)[0]) - centre[0]
    columns = tf.range(tf.shape(image)[1]) - centre[1]
    hole = _within(rows, half_side)[:, None] & _within(columns, half_side)
    return tf.where(hole[..., None], tf.constant(FILL, tf.uint8), image)


def _within(offsets: tf.Tensor, half_side: int) -> tf.Tensor:
    return (offsets >= -half_side) & (offsets < half_side)


def _extremes(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns each channel's least and largest values, uint8 (3,), (3,)."""
    # XLA is ten times faster if it reduces over the rows first, and both from
    # one tensor, than over height and width at once.
    rows = tf.reshape(image, [tf.shape(image)[0], -1])
    low = tf.reshape(tf.reduce_min(rows, axis=0), [-1, 3])
    high = tf.reshape(tf.reduce_max(rows, axis=0), [-1, 3])
    return tf.reduce_min(low, axis=0), tf.reduce_max(high, axis=0)


def _flat_levels(counts: tf.Tensor) -> tf.Tensor:
    """Returns the new level of each value, int32 (256,), from counts (256,)."""
    largest = tf.reduce_max(tf.where(counts > 0, tf.range(256), 0))
    step = (tf.reduce_sum(counts) - counts[largest]) // 255
    below = tf.cumsum(counts, exclusive=True)
    # A constant channel has nothing below its last value, so its step is 0.
    flat = (step // 2 + below) // tf.maximum(step, 1)
    return tf.where(step > 0, tf.minimum(flat, 255), tf.range(256))


def _look_up(image: tf.Tensor, table: tf.Tensor) -> tf.Tensor:
    """Maps each value of channel c to table[c, value]; table is (3, 256)."""
    index = tf.cast(image, tf.int32) + 256 * tf.range(3)
    return tf.gather(tf.cast(tf.reshape(table, [-1]), tf.uint8), index)


def _histogram(image: tf.Tensor) -> tf.Tensor:
    """Counts the values of each channel, int32 (3, 256)."""
    # Measured: several times faster than comparing, sorting or multiplying
    # one-hot vectors, compiled or not.
    index = tf.reshape(tf.cast(image, tf.int32) + 256 * tf.range(3), [-1])
    counts = tf.math.unsorted_segment_sum(tf.ones_like(index), index, 3 * 256)
    return tf.reshape(counts, [3, 256])


def _grey(image: tf.Tensor) -> tf.Tensor:
    """Converts to grey as PIL's mode "L" does; int32 (height, width)."""
    weights = tf.constant([19595, 38470, 7471])  # .299 .587 .114, by 2**16
    total = tf.reduce_sum(tf.cast(image, tf.int32) * weights, axis=-1)
    return tf.bitwise.right_shift(total + (1 << 15), 16)


def _smooth(image: tf.Tensor) -> tf.Tensor:
    """Returns the image after `ImageFilter.SMOOTH`, as int32.

    This is the mean over 3x3 pixels in which the middle one counts 5 times,
    rounded; PIL leaves the outermost pixels as they are.
    """
    values = tf.cast(image, tf.int16)  # the largest sum is 13 * 2 * 255 + 13
    padded = tf.pad(values, [[1, 1], [1, 1], [0, 0]])
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    total = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] + 4 * values
    height, width = tf.shape(image)[0], tf.shape(image)[1]
    inner = _inner(height)[:, None] & _inner(width)
    mean = tf.truncatediv(2 * total + 13, 26)
    return tf.cast(tf.where(inner[..., None], mean, values), tf.int32)


def _inner(length: tf.Tensor) -> tf.Tensor:
    index = tf.range(length)
    return (index > 0) & (index < length - 1)


def _blend(degenerate: tf.Tensor, image: tf.Tensor, factor: float) -> tf.Tensor:
    """Returns degenerate + factor * (image - degenerate), as `Image.blend`.

    The result is clipped to [0, 255] and its fraction cut off. `degenerate`
    is int32 and broadcasts against the image. PIL computes in float32,
    rounding after the product and after the sum. So do we: the product of two
    float32 values is exact in float64, and the cast rounds it, which keeps
    XLA from fusing product and sum.
    """
    difference = tf.cast(image, tf.int32) - degenerate
    product = float(np.float32(factor)) * tf.cast(difference, tf.float64)
    change = tf.cast(product, tf.float32)
    blended = tf.cast(degenerate, tf.float32) + change
    return tf.saturate_cast(blended, tf.uint8)

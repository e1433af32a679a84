"""The image operations of RandAugment, each a pure function on images.

Every function takes RGB images, uint8 (batch, height, width, 3), with values
in [0, 255], and returns images of the same shape and dtype. Each computes what
the PIL function named in its docstring computes. Nothing is random here;
`policy` draws operations, signs and centres.

Results are the same on every device, compiled by XLA or not, although XLA may
fuse a product and a sum, which skips a rounding, and some devices divide
inexactly: floats hold whole numbers below 2**24, or a comment says why rounding
does no harm. What TensorFlow is slow at where nothing is compiled is avoided:
`tf.where` on pixels, and broadcasting along the last dimension if it has three
elements; therefore most functions see an image as rows of width * 3 values.
"""

import numpy as np
import tensorflow as tf

FILL = 128  # the grey of pixels from outside of the image


def autocontrast(images: tf.Tensor) -> tf.Tensor:
    """Stretches each channel to [0, 255], as `ImageOps.autocontrast`.

    A channel with a single value stays as it is. Where a stretched value is
    a whole number, PIL's rounding errors may put it one level below ours.
    """
    low, high = _extremes(images)
    flat = low == high
    low, high = tf.where(flat, 0.0, low), tf.where(flat, 255.0, high)
    # (255 * (value - low) + 0.5) / span: with the half, no quotient is so
    # near to a whole number that rounding could reach it.
    scale, offset = 255 / (high - low), (0.5 - 255 * low) / (high - low)
    width = tf.shape(images)[2]
    scale, offset = (
        tf.tile(x, [1, width])[:, tf.newaxis] for x in (scale, offset)
    )
    return _to_images(_floats(images) * scale + offset, images)


def equalize(images: tf.Tensor) -> tf.Tensor:
    """Flattens each channel's histogram, as `ImageOps.equalize`.

    A channel with a single value, or with fewer than 255 pixels below its
    largest value, stays as it is.
    """
    count, _, width, _ = tf.unstack(tf.shape(images))
    channels = tf.reshape(256 * tf.range(3 * count), [count, 3])
    offsets = tf.tile(channels, [1, width])[:, tf.newaxis]
    index = tf.cast(_rows(images), tf.int32) + offsets
    # Measured: several times faster than comparing, sorting or multiplying
    # one-hot vectors, compiled or not.
    counts = tf.raw_ops.DenseBincount(
        input=tf.reshape(index, [tf.size(index)]),
        size=3 * 256 * count,
        weights=tf.constant([], tf.int32),
        binary_output=False,
    )
    counts = tf.transpose(tf.reshape(counts, [count, 3, 256]), [1, 0, 2])
    # A loop over the channels: otherwise XLA would compute the levels anew
    # for every pixel that is looked up, which is five times slower.
    levels = tf.transpose(tf.map_fn(_flat_levels, counts), [1, 0, 2])
    table = tf.cast(tf.reshape(levels, [3 * 256 * count]), tf.uint8)
    # Uncompiled, `tf.gather` takes 1.5 times as long.
    looked_up = tf.gather_nd(table, index[..., tf.newaxis])
    return tf.reshape(looked_up, tf.shape(images))


def invert(images: tf.Tensor) -> tf.Tensor:
    """Returns the negatives, as `ImageOps.invert`."""
    return 255 - images


def posterize(images: tf.Tensor, bits: int) -> tf.Tensor:
    """Keeps the `bits` highest bits of each value, as `ImageOps.posterize`.

    0 bits (which PIL refuses) give black images, 8 or more the images
    themselves; fewer bits are stronger.
    """
    kept = 256 - (1 << (8 - min(bits, 8)))
    return tf.bitwise.bitwise_and(images, tf.constant(kept, tf.uint8))


def solarize(images: tf.Tensor, threshold: int) -> tf.Tensor:
    """Inverts values from `threshold` up, as `ImageOps.solarize`.

    A threshold of 256 or more gives the images themselves; lower is stronger.
    """
    if threshold > 255:
        return images
    inverted = tf.cast(images >= threshold, tf.uint8) * 255
    return tf.bitwise.bitwise_xor(images, inverted)


def solarize_add(
    images: tf.Tensor, addition: int, threshold: int = 128
) -> tf.Tensor:
    """Adds `addition` to the values below `threshold`, up to 255.

    PIL has no such function; RandAugment (arXiv 1909.13719) defines it.
    """
    added = tf.minimum(255 - images, min(addition, 255))
    return images + tf.cast(images < threshold, tf.uint8) * added


def color(images: tf.Tensor, factor: float) -> tf.Tensor:
    """Changes the saturation, as `ImageEnhance.Color`.

    Factor 0 gives grey images, 1 the images themselves, more is more
    saturated.
    """
    grey = tf.broadcast_to(_grey(images)[..., tf.newaxis], tf.shape(images))
    return _blend(_rows(grey), images, factor)


def contrast(images: tf.Tensor, factor: float) -> tf.Tensor:
    """Changes the distance to the mean grey, as `ImageEnhance.Contrast`.

    The mean is that of the grey image, rounded to a whole number. Factor 0
    gives uniform grey, 1 the image itself, more is more contrast.
    """
    rows = tf.cast(tf.reduce_sum(_grey(images), axis=2), tf.int64)
    pixels = tf.cast(tf.reduce_prod(tf.shape(images)[1:3]), tf.int64)
    mean = (2 * tf.reduce_sum(rows, axis=1) + pixels) // (2 * pixels)
    mean = tf.cast(mean, tf.float32)[:, tf.newaxis, tf.newaxis]
    return _blend(mean, images, factor)


def brightness(images: tf.Tensor, factor: float) -> tf.Tensor:
    """Scales all values, as `ImageEnhance.Brightness`.

    Factor 0 gives black, 1 the images themselves, more is brighter.
    """
    return _blend(tf.constant(0.0), images, factor)


def sharpness(images: tf.Tensor, factor: float) -> tf.Tensor:
    """Changes the distance to smoothed images, as `ImageEnhance.Sharpness`.

    Factor 0 gives images smoothed over 3x3 pixels (except their outermost
    pixels), 1 the images themselves, more is sharper.
    """
    return _blend(_smooth(images), images, factor)


def cutout(images: tf.Tensor, centres: tf.Tensor, half_side: int) -> tf.Tensor:
    """Fills a square of each image with grey 128.

    Args:
      images: uint8 (batch, height, width, 3).
      centres: Row and column of the squares' centres, int32 (batch, 2).
      half_side: Half the side in pixels. Rows centre - half_side up to, not
        including, centre + half_side are filled, and columns likewise,
        clipped at the border.

    Returns:
      uint8 (batch, height, width, 3).
    """
    return fill_squares(images, centres - half_side, 2 * half_side)


def fill_squares(images: tf.Tensor, starts: tf.Tensor, side: int) -> tf.Tensor:
    """Fills a square of each image with grey 128, where it is in the image.

    Args:
      images: uint8 (batch, height, width, 3).
      starts: The squares' first rows and columns, int32 (batch, 2).
      side: In pixels.

    Returns:
      uint8 (batch, height, width, 3).
    """
    _, height, width, _ = tf.unstack(tf.shape(images))
    rows = _stripes(height, starts[:, :1], side)[..., tf.newaxis]
    columns = tf.repeat(_stripes(width, starts[:, 1:], side), 3, axis=1)
    hole = tf.bitwise.bitwise_and(rows, columns[:, tf.newaxis])
    values = _rows(images)
    # Changes the bits that differ, where there is a hole.
    changed = tf.bitwise.bitwise_and(tf.bitwise.bitwise_xor(values, FILL), hole)
    filled = tf.bitwise.bitwise_xor(values, changed)
    return tf.reshape(filled, tf.shape(images))


def _stripes(length: tf.Tensor, starts: tf.Tensor, size: int) -> tf.Tensor:
    """Marks `size` places with 255, others with 0: uint8 (batch, length)."""
    offsets = tf.range(length) - starts
    return tf.cast((offsets >= 0) & (offsets < size), tf.uint8) * 255


def _rows(images: tf.Tensor) -> tf.Tensor:
    """Returns the same values as (batch, height, width * 3)."""
    count, height, width, _ = tf.unstack(tf.shape(images))
    return tf.reshape(images, [count, height, 3 * width])


def _floats(images: tf.Tensor) -> tf.Tensor:
    """Returns `_rows`, float32."""
    return tf.cast(_rows(images), tf.float32)


def _to_images(values: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
    """Clips float32 `_rows` to [0, 255] and cuts their fraction off."""
    # One kernel, where `tf.saturate_cast` has two.
    clipped = tf.raw_ops.ClipByValue(
        t=values, clip_value_min=0.0, clip_value_max=255.0
    )
    return tf.reshape(tf.cast(clipped, tf.uint8), tf.shape(images))


def _extremes(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns each channel's least and largest values, float32 (batch, 3)."""
    # XLA is ten times faster if it reduces over the rows first, and both from
    # one tensor, than over height and width at once.
    rows, columns = _floats(images), tf.gather(tf.shape(images), [0, 2, 3])
    low = tf.reshape(tf.reduce_min(rows, axis=1), columns)
    high = tf.reshape(tf.reduce_max(rows, axis=1), columns)
    return tf.reduce_min(low, axis=1), tf.reduce_max(high, axis=1)


def _flat_levels(counts: tf.Tensor) -> tf.Tensor:
    """Returns the new level of each value, int32 (batch, 256).

    Args:
      counts: How many pixels have each value, int32 (batch, 256).
    """
    largest = tf.reduce_max(tf.where(counts > 0, tf.range(256), 0), axis=1)
    last = tf.gather(counts, largest, batch_dims=1)
    step = ((tf.reduce_sum(counts, axis=1) - last) // 255)[:, tf.newaxis]
    below = tf.cumsum(counts, axis=1, exclusive=True)
    # A constant channel has nothing below its last value, so its step is 0.
    flat = (step // 2 + below) // tf.maximum(step, 1)
    return tf.where(step > 0, tf.minimum(flat, 255), tf.range(256))


def _grey(images: tf.Tensor) -> tf.Tensor:
    """Converts to grey as PIL's mode "L" does; float32 (batch, h, w)."""
    red, green, blue = tf.unstack(tf.cast(images, tf.float32), axis=-1)
    # .299 .587 .114 by 2**16; the sum stays below 2**24.
    total = 19595 * red + 38470 * green + 7471 * blue
    return tf.floor((total + 2.0**15) * 2.0**-16)


def _smooth(images: tf.Tensor) -> tf.Tensor:
    """Returns float32 `_rows` after `ImageFilter.SMOOTH`.

    This is the mean over 3x3 pixels in which the middle one counts 5 times,
    rounded; PIL leaves the outermost pixels as they are.
    """
    values = tf.cast(_rows(images), tf.int16)
    padded = tf.pad(values, [[0, 0], [1, 1], [3, 3]])
    rows = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    total = rows[..., :-6] + rows[..., 3:-3] + rows[..., 6:] + 4 * values
    # Never as near as a 30th to a whole number.
    mean = tf.floor((tf.cast(total, tf.float32) + 6.5) * (1 / 13))
    height, width = tf.shape(images)[1], tf.shape(images)[2]
    inner = _inner(height)[:, tf.newaxis] & tf.repeat(_inner(width), 3)
    values = tf.cast(values, tf.float32)
    return values + tf.cast(inner, tf.float32) * (mean - values)


def _inner(length: tf.Tensor) -> tf.Tensor:
    index = tf.range(length)
    return (index > 0) & (index < length - 1)


def _blend(
    degenerate: tf.Tensor, images: tf.Tensor, factor: float
) -> tf.Tensor:
    """Returns degenerate + factor * (image - degenerate), as `Image.blend`.

    The result is clipped to [0, 255] and its fraction cut off. `degenerate`
    has whole numbers, float32, and broadcasts against `_rows`. PIL computes
    in float32, rounding after the product and after the sum. So do we, also
    where XLA fuses the two: the factor is the sum of two short numbers, whose
    products are exact, so that one sum of these rounds as the product does.
    """
    difference = _floats(images) - degenerate
    high = np.float32(np.float16(factor))  # 11 bits
    low = np.float32(factor) - high
    change = float(high) * difference + float(low) * difference
    return _to_images(degenerate + change, images)

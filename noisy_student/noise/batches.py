"""Flips, shifts and cut-outs of whole batches, drawn for each image.

All take and return uint8 (batch, height, width, 3) and have no state: the
same seed, int32 or int64 (2,), gives the same result on every device, compiled
by XLA or not. Pixels are moved by gathering, which TensorFlow is fast at where
nothing is compiled, and XLA too.
"""

import tensorflow as tf

from noisy_student.noise import image_ops


def random_flip(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Mirrors each image left to right with probability 1/2.

    Args:
      images: uint8 (batch, height, width, 3).
      seed: int32 or int64 (2,).

    Returns:
      uint8 (batch, height, width, 3).

    Raises:
      ValueError: The images are not uint8 or not of rank 4.
    """
    images = _checked(images)
    count, height, width, _ = tf.unstack(tf.shape(images))
    # Not floats, of which XLA draws others than TensorFlow's kernels.
    bits = tf.random.stateless_uniform(
        [count], seed, None, None, tf.int32, alg="philox"
    )
    # TensorFlow has a fast kernel for three dimensions.
    rows = tf.reshape(images, [count * height, width, 3])
    mirrored = tf.reshape(tf.reverse(rows, [1]), tf.shape(images))
    place = tf.range(count) + tf.where(bits >= 0, count, 0)
    return tf.gather(tf.concat([images, mirrored], axis=0), place)


def random_pad_crop(
    images: tf.Tensor, seed: tf.Tensor, padding: int = 4
) -> tf.Tensor:
    """Shifts each image by up to `padding` pixels, filling by reflection.

    Pads all sides by reflection (without repeating the border) and cuts out
    a window of the original size at a uniformly drawn place.

    Args:
      images: uint8 (batch, height, width, 3).
      seed: int32 or int64 (2,).
      padding: Pixels added to each side, fewer than the images' sides have.

    Returns:
      uint8 (batch, height, width, 3).

    Raises:
      ValueError: The padding is negative, or not less than a known side; or
        the images are not uint8 or not of rank 4.
    """
    images = _checked(images)
    known = [side for side in images.shape[1:3] if side is not None]
    if padding < 0 or any(padding >= side for side in known):
        raise ValueError(
            "padding must be at least 0 and less than the sides "
            f"{tuple(images.shape[1:3])}, got {padding}"
        )
    count, height, width, _ = tf.unstack(tf.shape(images))
    starts = tf.random.stateless_uniform(
        [2, count, 1], seed, 0, 2 * padding + 1, tf.int32, alg="philox"
    )
    begins = tf.range(count)[:, tf.newaxis] * height
    rows = begins + _reflected(starts[0] - padding, height)
    columns = _reflected(starts[1] - padding, width)
    places = rows[:, :, tf.newaxis] * width + columns[:, tf.newaxis]
    pixels = count * height * width
    cropped = tf.gather_nd(
        tf.reshape(images, [pixels, 3]), tf.reshape(places, [pixels, 1])
    )
    return tf.reshape(cropped, tf.shape(images))


def _reflected(starts: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    """Returns `length` places in a line that is mirrored at both ends.

    Args:
      starts: The first places, int32 (count, 1), less than `length` away from
        the line.
      length: Of the line.

    Returns:
      int32 (count, length), in [0, length).
    """
    last = length - 1
    return last - tf.abs(last - tf.abs(starts + tf.range(length)))


def random_cutout(images: tf.Tensor, seed: tf.Tensor, size: int) -> tf.Tensor:
    """Fills a square of each image with grey 128.

    Source: DeVries & Taylor, arXiv 1708.04552.

    Args:
      images: uint8 (batch, height, width, 3).
      seed: int32 or int64 (2,).
      size: The side of the square in pixels; 0 fills nothing. The centre is
        drawn uniformly from the pixels, so part of the square may lie outside
        of the image.

    Returns:
      uint8 (batch, height, width, 3).

    Raises:
      ValueError: The size is negative, or the images are not uint8 or not of
        rank 4.
    """
    images = _checked(images)
    if size < 0:
        raise ValueError(f"size must be at least 0, got {size}")
    count, height, width, _ = tf.unstack(tf.shape(images))
    # Splitting keeps the dtype, and other dtypes give other numbers.
    seed = tf.cast(seed, tf.int64)
    seeds = tf.random.experimental.stateless_split(seed, 2, alg="philox")
    centres = [
        tf.random.stateless_uniform(
            [count], seeds[axis], 0, length, tf.int32, alg="philox"
        )
        for axis, length in enumerate((height, width))
    ]
    starts = tf.stack(centres, axis=1) - size // 2
    return image_ops.fill_squares(images, starts, size)


def _checked(images: tf.Tensor) -> tf.Tensor:
    images = tf.convert_to_tensor(images)
    if images.dtype != tf.uint8 or images.shape.rank != 4:
        raise ValueError(
            "images must be uint8 of shape (batch, height, width, 3), "
            f"got {images.dtype.name} {images.shape}"
        )
    return images

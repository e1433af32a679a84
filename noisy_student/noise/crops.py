"""Crops, flips and cut-outs: from an encoded image to a square, and in batches.

`decode`, `random_area_crop` and `central_crop` take one encoded image and
never decode more of a JPEG than they need. The batch functions take and
return uint8 (batch, height, width, 3) and draw for each image on its own.
All are without state: the same seed, int32 or int64 (2,), gives the same
result, on every device. XLA compiles the batch functions once per shape.
"""

from collections.abc import Callable

import tensorflow as tf

from noisy_student.noise.image_ops import FILL

CROP_PADDING = 32  # evaluation sees size / (size + 32) of the short side
# TensorFlow's default is no faster (measured) and up to 30 levels off.
JPEG_METHOD = "INTEGER_ACCURATE"
# Measured: operation by operation, these take 4 to 100 times as long.
_compiled = tf.function(jit_compile=True, autograph=False)


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a JPEG, PNG, BMP or GIF (its first frame).

    Args:
      encoded: string (), the file's content.

    Returns:
      uint8 (height, width, 3), RGB, 0 to 255. Grey becomes RGB, transparency
      is dropped.

    Raises:
      tf.errors.InvalidArgumentError: the content is no such image.
    """

    def from_jpeg() -> tf.Tensor:
        return tf.io.decode_jpeg(encoded, channels=3, dct_method=JPEG_METHOD)

    image = tf.cond(
        tf.io.is_jpeg(encoded), from_jpeg, lambda: _decode_others(encoded)
    )
    return tf.ensure_shape(image, [None, None, 3])


def random_area_crop(
    encoded: tf.Tensor, size: int, seed: tf.Tensor
) -> tf.Tensor:
    """Cuts out 8 to 100 % of the area at random, as Inception is trained.

    The window's width is 3/4 to 4/3 of its height. Where 10 tries find none
    in the image, and where the window is the whole image, the window of
    `central_crop` is taken. Source: Szegedy et al., arXiv 1409.4842, as the
    EfficientNets of arXiv 1911.04252 use it.

    Args:
      encoded: string (), a file's content, see `decode`.
      size: side of the result in pixels.
      seed: int32 or int64 (2,).

    Returns:
      uint8 (size, size, 3), resized bicubically.

    Raises:
      ValueError: size is not positive.
    """
    _check_positive("size", size)
    return _resize(decode_random_area(encoded, size, seed), size)


def decode_random_area(
    encoded: tf.Tensor, size: int, seed: tf.Tensor
) -> tf.Tensor:
    """`random_area_crop` before it is resized: uint8 (height, width, 3)."""

    def window(shape: tf.Tensor) -> tf.Tensor:
        return _random_window(shape, size, seed)

    return _decode_window(encoded, window)


def central_crop(encoded: tf.Tensor, size: int) -> tf.Tensor:
    """Cuts out the central square, size / (size + 32) of the short side.

    Args:
      encoded: string (), a file's content, see `decode`.
      size: side of the result in pixels.

    Returns:
      uint8 (size, size, 3), resized bicubically.

    Raises:
      ValueError: size is not positive.
    """
    _check_positive("size", size)

    def window(shape: tf.Tensor) -> tf.Tensor:
        return _central_window(shape, size)

    return _resize(_decode_window(encoded, window), size)


def random_and_central_crop(
    encoded: tf.Tensor, size: int, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The student's and the teacher's view of an image, decoded once.

    Args:
      encoded: string (), a file's content, see `decode`.
      size: side of the results in pixels.
      seed: int32 or int64 (2,).

    Returns:
      What `random_area_crop` and `central_crop` return.

    Raises:
      ValueError: size is not positive.
    """
    _check_positive("size", size)
    image = decode(encoded)
    shape = tf.shape(image)
    random = _cut(image, _random_window(shape, size, seed))
    central = _cut(image, _central_window(shape, size))
    return _resize(random, size), _resize(central, size)


@_compiled
def random_flip(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Mirrors each image left to right with probability 1/2.

    Args:
      images: uint8 (batch, height, width, 3).
      seed: int32 or int64 (2,).

    Returns:
      uint8 (batch, height, width, 3).

    Raises:
      ValueError: the images are not uint8 or not of rank 4.
    """
    images = _checked(images)
    draws = tf.random.stateless_uniform(
        tf.shape(images)[:1], seed, alg="philox"
    )
    chosen = (draws < 0.5)[:, None, None, None]
    return tf.where(chosen, images[:, :, ::-1], images)


@_compiled
def random_pad_crop(
    images: tf.Tensor, seed: tf.Tensor, padding: int = 4
) -> tf.Tensor:
    """Shifts each image by up to `padding` pixels, filling with its mirror.

    Pads all sides by reflection (without repeating the border) and cuts out
    a window of the images' own size at a uniformly drawn place.

    Args:
      images: uint8 (batch, height, width, 3).
      seed: int32 or int64 (2,).
      padding: pixels at each side, less than the images' sides.

    Returns:
      uint8 (batch, height, width, 3).

    Raises:
      ValueError: the padding is negative, or not less than a known side; the
        images are not uint8 or not of rank 4.
    """
    images = _checked(images)
    known = [side for side in images.shape[1:3] if side is not None]
    if padding < 0 or any(padding >= side for side in known):
        raise ValueError(
            "padding must be at least 0 and less than the sides "
            f"{tuple(images.shape[1:3])}, got {padding}"
        )
    margins = [[0, 0], [padding, padding], [padding, padding], [0, 0]]
    padded = tf.pad(images, margins, mode="REFLECT")
    count, height, width, _ = tf.unstack(tf.shape(images))
    starts = tf.random.stateless_uniform(
        [2, count, 1], seed, 0, 2 * padding + 1, tf.int32, alg="philox"
    )
    rows, columns = starts[0] + tf.range(height), starts[1] + tf.range(width)
    padded = tf.gather(padded, rows, axis=1, batch_dims=1)
    cropped = tf.gather(padded, columns, axis=2, batch_dims=1)
    return tf.ensure_shape(cropped, images.shape)


@_compiled
def random_cutout(images: tf.Tensor, seed: tf.Tensor, size: int) -> tf.Tensor:
    """Fills a square of each image with grey 128.

    Source: DeVries & Taylor, arXiv 1708.04552.

    Args:
      images: uint8 (batch, height, width, 3).
      seed: int32 or int64 (2,).
      size: side of the square in pixels. Its centre is drawn uniformly from
        the pixels, so that part of it may lie outside; 0 fills nothing.

    Returns:
      uint8 (batch, height, width, 3).

    Raises:
      ValueError: size is negative; the images are not uint8 or not of rank 4.
    """
    images = _checked(images)
    if size < 0:
        raise ValueError(f"size must be at least 0, got {size}")
    count, height, width, _ = tf.unstack(tf.shape(images))
    # Splitting keeps the type, and other types give other numbers.
    seed = tf.cast(seed, tf.int64)
    seeds = tf.random.experimental.stateless_split(seed, 2, alg="philox")
    rows = _stripes(count, height, size, seeds[0])
    columns = _stripes(count, width, size, seeds[1])
    holes = rows[:, :, None, None] & columns[:, None, :, None]
    return tf.where(holes, tf.constant(FILL, tf.uint8), images)


def _stripes(
    count: tf.Tensor, length: tf.Tensor, size: int, seed: tf.Tensor
) -> tf.Tensor:
    """Marks `size` places around a random one: bool (count, length)."""
    centres = tf.random.stateless_uniform(
        [count, 1], seed, 0, length, tf.int32, alg="philox"
    )
    offsets = tf.range(length) - centres + size // 2
    return (offsets >= 0) & (offsets < size)


def _random_window(shape: tf.Tensor, size: int, seed: tf.Tensor) -> tf.Tensor:
    """Draws a window, int32 (top, left, height, width), in an image.

    `shape` is int32 (height, width, 3). The whole image is one object of
    which nothing need be covered, so that areas down to 8 % are accepted.
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
    """Decodes the window that `choose` makes of the image's shape."""

    def from_jpeg() -> tf.Tensor:
        # The shape is in the header: the rest is never decoded.
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
    """The part of an image in a window, int32 (top, left, height, width)."""
    top, left, height, width = tf.unstack(window)
    return image[top : top + height, left : left + width]


def _decode_others(encoded: tf.Tensor) -> tf.Tensor:
    return tf.io.decode_image(encoded, channels=3, expand_animations=False)


def _resize(image: tf.Tensor, size: int) -> tf.Tensor:
    """Resizes bicubically to (size, size, 3), rounded to uint8."""
    resized = tf.image.resize(image, [size, size], method="bicubic")
    rounded = tf.clip_by_value(tf.round(resized), 0.0, 255.0)
    return tf.ensure_shape(tf.cast(rounded, tf.uint8), [size, size, 3])


def _checked(images: tf.Tensor) -> tf.Tensor:
    images = tf.convert_to_tensor(images)
    if images.dtype != tf.uint8 or images.shape.rank != 4:
        raise ValueError(
            "images must be uint8 of shape (batch, height, width, 3), "
            f"got {images.dtype.name} {images.shape}"
        )
    return images


def _check_positive(name: str, value: int) -> None:
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")

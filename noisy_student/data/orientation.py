"""Turns images upright, as the EXIF orientation in their files says.

TensorFlow's decoders ignore it. Everything here is made of TensorFlow's
operations, so it works in `tf.data`, in a `tf.function` and in a SavedModel.

EXIF data lie in the segment APP1 of a JPEG and in the chunk eXIf of a PNG: a
TIFF header in either byte order, and 12 bytes for each tag.
"""

from collections.abc import Callable

import tensorflow as tf

_UPRIGHT = 1
_TAG, _SHORT = 0x0112, 3  # of the orientation, and the type of its value
_EXIF = b"Exif\0\0"
_HAS_EXIF = r"\C*(?:Exif|eXIf)\C*"  # either name, between any bytes
_APP1 = 0xE1  # markers of JPEG segments, after 0xFF
_PIXELS = (0xDA, 0xD9)
_MAX_PARTS = 1000  # segments or chunks looked at; whole files have fewer


# Traced once in a process, however many pipelines are opened.
@tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
def read(encoded: tf.Tensor) -> tf.Tensor:
    """Reads the EXIF orientation of an image.

    Args:
        encoded: The content of the file, string ().

    Returns:
        int32 (), from 1 to 8 as in the EXIF standard. It is 1, upright, where
        there is none that can be read. In a PNG only what comes before the
        pixels counts, as in browsers.
    """
    png = tf.strings.substr(encoded, 0, 8) == b"\x89PNG\r\n\x1a\n"
    # The walk through the parts of a file would take longer than decoding a
    # small image.
    has_exif = tf.strings.regex_full_match(encoded, _HAS_EXIF)
    jpeg = tf.io.is_jpeg(encoded)
    return tf.case(
        [
            (has_exif & jpeg, lambda: _in_tiff(_tiff_of_jpeg(encoded))),
            (has_exif & png, lambda: _in_tiff(_tiff_of_png(encoded))),
        ],
        default=lambda: tf.constant(_UPRIGHT),
    )


@tf.function(
    input_signature=[
        tf.TensorSpec([None, None, None], tf.uint8),
        tf.TensorSpec([], tf.int32),
    ],
    autograph=False,
)
def turn(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns a decoded image upright.

    Args:
        image: uint8 (height, width, channels), as it is stored.
        orientation: int32 (), from 1 to 8; see `read`.

    Returns:
        The image; from orientation 5 on (width, height, channels).
    """
    for orientations, change in (
        ([5, 6, 7, 8], lambda x: tf.transpose(x, [1, 0, 2])),
        ([3, 4, 7, 8], lambda x: tf.reverse(x, [0])),
        ([2, 3, 6, 7], lambda x: tf.reverse(x, [1])),
    ):
        image = tf.cond(
            tf.reduce_any(orientation == orientations),
            lambda image=image, change=change: change(image),
            lambda image=image: image,
        )
    return image


def _tiff_of_jpeg(encoded: tf.Tensor) -> tf.Tensor:
    """Returns the EXIF data of a JPEG, string (); "" if there are none."""

    def is_exif(head: tf.Tensor) -> tf.Tensor:
        return (head[1] == _APP1) & tf.reduce_all(head[4:] == list(_EXIF))

    def goes_on(position: tf.Tensor, head: tf.Tensor) -> tf.Tensor:
        pixels = tf.reduce_any(head[1] == _PIXELS)
        return (head[0] == 0xFF) & ~pixels & ~is_exif(head)

    def next_segment(position: tf.Tensor, head: tf.Tensor) -> tuple:
        # 0xFF may be repeated before a marker.
        size = tf.where(
            head[1] == 0xFF, tf.constant(1, tf.int64), 2 + _number(head[2:4])
        )
        return position + size, _bytes(encoded, position + size, 10)

    start = tf.constant(2, tf.int64)
    position, head = _walk(goes_on, next_segment, start, encoded, 10)
    size = tf.cast(is_exif(head), tf.int64) * (_number(head[2:4]) - 8)
    return _part(encoded, position + 10, size)


def _walk(
    goes_on: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    step: Callable[[tf.Tensor, tf.Tensor], tuple],
    start: tf.Tensor,
    encoded: tf.Tensor,
    size: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Goes from part to part; returns where it ends, and the bytes there.

    Args:
        goes_on: Whether to, by the position and the bytes there.
        step: To the next position, and the bytes there.
        start: The first position, int64 ().
        encoded: The file, string ().
        size: The number of bytes that are looked at.
    """
    return tf.while_loop(
        goes_on,
        step,
        (start, _bytes(encoded, start, size)),
        maximum_iterations=_MAX_PARTS,
    )


def _tiff_of_png(encoded: tf.Tensor) -> tf.Tensor:
    """Returns the EXIF data of a PNG, string (); "" if there are none."""

    def is_chunk(name: bytes, head: tf.Tensor) -> tf.Tensor:
        return tf.reduce_all(head[4:] == list(name))

    def goes_on(position: tf.Tensor, head: tf.Tensor) -> tf.Tensor:
        at_end = is_chunk(b"IDAT", head) | is_chunk(b"\0\0\0\0", head)
        return ~at_end & ~is_chunk(b"eXIf", head)

    def next_chunk(position: tf.Tensor, head: tf.Tensor) -> tuple:
        position += 12 + _number(head[:4])
        return position, _bytes(encoded, position, 8)

    start = tf.constant(8, tf.int64)
    position, head = _walk(goes_on, next_chunk, start, encoded, 8)
    size = tf.cast(is_chunk(b"eXIf", head), tf.int64) * _number(head[:4])
    return _part(encoded, position + 8, size)


def _in_tiff(tiff: tf.Tensor) -> tf.Tensor:
    """Returns the orientation in EXIF data, int32 (); 1 if there is none."""
    head = _bytes(tiff, 0, 8)
    big_endian = tf.reduce_all(head[:4] == list(b"MM\0*"))
    little_endian = tf.reduce_all(head[:4] == list(b"II*\0"))

    def number(digits: tf.Tensor) -> tf.Tensor:
        return _number(tf.where(big_endian, digits, digits[..., ::-1]))

    begin = number(head[4:])
    count = number(_bytes(tiff, begin, 2))
    table = tf.io.decode_raw(_part(tiff, begin + 2, 12 * count), tf.uint8)
    whole = tf.size(table) // 12 * 12
    tags = tf.cast(tf.reshape(table[:whole], [-1, 12]), tf.int64)
    is_orientation = (
        (number(tags[:, :2]) == _TAG)
        & (number(tags[:, 2:4]) == _SHORT)
        & (number(tags[:, 4:8]) == 1)
    )
    values = number(tf.boolean_mask(tags, is_orientation)[:, 8:10])
    value = tf.cast(tf.concat([values, [_UPRIGHT]], 0)[0], tf.int32)
    valid = (big_endian | little_endian) & (value >= 1) & (value <= 8)
    return tf.where(valid, value, _UPRIGHT)


def _part(content: tf.Tensor, begin: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Returns up to `size` bytes, string (); none beyond the end."""
    length = tf.strings.length(content)
    begin = tf.minimum(begin, tf.cast(length, tf.int64))
    return tf.strings.substr(content, begin, tf.maximum(size, 0))


def _bytes(content: tf.Tensor, begin: tf.Tensor, size: int) -> tf.Tensor:
    """Returns bytes, int64 (size,); those beyond the end are 0."""
    part = _part(content, tf.cast(begin, tf.int64), tf.constant(size, tf.int64))
    digits = tf.io.decode_raw(part, tf.uint8, fixed_length=size)
    return tf.cast(digits, tf.int64)


def _number(digits: tf.Tensor) -> tf.Tensor:
    """Returns the numbers, int64, of bytes (..., n), the highest first."""
    size = digits.shape[-1]
    return tf.reduce_sum(digits * [256**i for i in reversed(range(size))], -1)

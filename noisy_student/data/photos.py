"""Photographs read by Pillow: what TensorFlow cannot decode; small copies."""

import io
from collections.abc import Callable

from PIL import Image, ImageOps

from noisy_student.data import image_files

_QUALITY = 95


def readable(encoded: bytes) -> bytes:
    """Turns a file that TensorFlow cannot decode into a JPEG, upright.

    Files that it can decode, and broken ones, are returned as they are.
    """
    if image_files.suffix(encoded):
        return encoded
    image = _opened(encoded)
    return encoded if image is None else image_files.to_jpeg(image)


def smaller(
    encoded: bytes, side: int, which: Callable[[tuple[int, int]], int] = min
) -> bytes:
    """Returns a smaller copy of a photograph as a JPEG, upright.

    Args:
        encoded: The content of the file.
        side: A side of the copy, in pixels.
        which: Whether that is the shorter side, `min`, or the longer, `max`.

    Returns:
        The copy; an image that is not larger, and a broken one, as
        `readable` returns it.
    """
    image = _opened(encoded, side)
    if image is None or which(image.size) <= side:
        return readable(encoded)
    scale = side / which(image.size)
    width, height = (max(1, round(scale * length)) for length in image.size)
    image = image.convert("RGB").resize((width, height), Image.Resampling.BOX)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def _opened(encoded: bytes, side: int | None = None) -> Image.Image | None:
    """Decodes an image and turns it upright; None if it is broken.

    Args:
        encoded: The content of the file.
        side: A JPEG is decoded at the least size whose sides are at least
            twice this one, which takes a fraction of the time.
    """
    try:
        image = Image.open(io.BytesIO(encoded))
        if side is not None:
            image.draft("RGB", (2 * side, 2 * side))
        return ImageOps.exif_transpose(image)
    except Exception:  # PIL raises many kinds; the decoder will name the file
        return None

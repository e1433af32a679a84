"""Images as data URIs, made small enough for a page with hundreds of them."""

import base64
import io

from PIL import Image, ImageOps

_LARGEST = 96  # side of a thumbnail in pixels
_PLAIN = 32  # up to this side, without any loss


def data_uri(encoded: bytes) -> str | None:
    """A thumbnail for the `src` of an `<img>`.

    Args:
        encoded: a JPEG, PNG, BMP or GIF.

    Returns:
        None where it cannot be decoded.
    """
    try:
        with Image.open(io.BytesIO(encoded)) as image:
            small = ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    small.thumbnail((_LARGEST, _LARGEST))
    kind = "PNG" if max(small.size) <= _PLAIN else "JPEG"
    file = io.BytesIO()
    small.save(file, kind, **({} if kind == "PNG" else {"quality": 85}))
    text = base64.b64encode(file.getvalue()).decode()
    return f"data:image/{kind.lower()};base64,{text}"

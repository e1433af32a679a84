"""Image files: which files are images, and their bytes, turned upright."""

import contextlib
import io
import os
from collections.abc import Iterator
from typing import BinaryIO

from absl import logging
from etils import epath
from PIL import Image, ImageOps

from noisy_student.config.paths import is_remote
from noisy_student.errors import InputError
from noisy_student.files import remote

with contextlib.suppress(ImportError):  # HEIC, for whoever installed it
    import pillow_heif

    pillow_heif.register_heif_opener()

_HEIC_EXTENSIONS = (".heic", ".heif")
_FOREIGN_EXTENSIONS = (".webp", ".tif", ".tiff", *_HEIC_EXTENSIONS)
EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", *_FOREIGN_EXTENSIONS)
# Paths of what TensorFlow cannot decode, as a regular expression of RE2.
FOREIGN = r"(?i)\C*\.(?:webp|tiff?|hei[cf])"
JPEG_MAGIC = b"\xff\xd8\xff"
# TensorFlow and PIL refuse larger images, whose headers are likely broken.
MAX_PIXELS = 2**29 // 3
# By the first bytes of an image file.
_SUFFIXES = {
    b"\xff\xd8": ".jpeg",
    b"\x89PNG": ".png",
    b"GIF8": ".gif",
    b"BM": ".bmp",
}
_ORIENTATION = 0x0112  # the EXIF tag; 1 is upright
_MAX_NAMES = 3  # ignored files named in a warning


def find(directory: epath.Path) -> tuple[list[str], list[str]]:
    """Lists the files below a directory, except hidden ones.

    A folder that several links lead to, such as a parent folder, counts once,
    under its real path if that is below the directory.

    Returns:
        The paths of images, told by their extension in upper or lower case,
        and those of other files, both sorted.

    Raises:
        InputError: There is HEIC, and nothing that reads it.
    """
    images: list[str] = []
    others: list[str] = []
    walk = _walk_bucket if is_remote(directory) else _walk
    for parent, files in walk(directory):
        for name in files:
            if not is_hidden(name):
                paths = images if is_image(name) else others
                paths.append(os.path.join(parent, name))
    _refuse_heic(images)
    return sorted(images), sorted(others)


def _refuse_heic(paths: list[str]) -> None:
    readable = Image.registered_extensions()
    for path in paths:
        extension = os.path.splitext(path)[1].lower()
        if extension in _HEIC_EXTENSIONS and extension not in readable:
            raise InputError(
                f"{path} is HEIC, which needs `pip install pillow-heif`."
            )


def _walk_bucket(directory: epath.Path) -> Iterator[tuple[str, list[str]]]:
    """Yields each folder with its file names; there are no links."""
    folders, files = remote.listing(directory)
    yield str(directory), files
    for name in folders:
        if not is_hidden(name):
            yield from _walk_bucket(directory / name)


def _walk(directory: epath.Path) -> Iterator[tuple[str, list[str]]]:
    """Yields each real folder once with its file names; links come last."""
    seen: set[str] = set()
    roots = [str(directory)]
    while roots:
        links: list[str] = []
        for root in roots:
            for parent, folders, files in os.walk(root):
                real = os.path.realpath(parent)
                if real in seen:
                    folders.clear()
                    continue
                seen.add(real)
                yield parent, files
                folders[:] = [n for n in folders if not is_hidden(n)]
                paths = [os.path.join(parent, name) for name in folders]
                links += [path for path in paths if os.path.islink(path)]
        roots = sorted(links)


def is_image(name: str) -> bool:
    """Returns whether a file of this name is taken for an image."""
    return os.path.splitext(name)[1].lower() in EXTENSIONS


def is_foreign(name: str) -> bool:
    """Returns whether TensorFlow cannot decode images of this name."""
    return os.path.splitext(name)[1].lower() in _FOREIGN_EXTENSIONS


def is_hidden(name: str) -> bool:
    """Returns whether a file or folder of this name is ignored."""
    return name.startswith(".")


def suffix(encoded: bytes) -> str:
    """Returns the suffix of a file with this content; "" if unknown."""
    known = (
        end for start, end in _SUFFIXES.items() if encoded.startswith(start)
    )
    return next(known, "")


def warn_of_others(paths: list[str], name: str) -> None:
    """Logs one warning for all files in `name` that are not images."""
    if paths:
        more = " ..." if len(paths) > _MAX_NAMES else ""
        logging.warning(
            "%d files in %s are no images (%s) and are ignored: %s%s",
            len(paths),
            name,
            " ".join(EXTENSIONS),
            ", ".join(paths[:_MAX_NAMES]),
            more,
        )


def upright(encoded: bytes) -> bytes:
    """Turns a file as its EXIF orientation says, for readers that do not.

    It is encoded again, which `orientation.py` does without. Other files than
    JPEG and PNG, and broken ones, are returned as they are.
    """
    if b"Exif" not in encoded and b"eXIf" not in encoded:
        return encoded
    try:
        image = Image.open(io.BytesIO(encoded))
        exif = Image.Exif()
        exif.load(image.info["exif"])
        if exif.get(_ORIENTATION) not in range(2, 9):
            return encoded
        turned = ImageOps.exif_transpose(image)
        return to_png(turned) if image.format == "PNG" else to_jpeg(turned)
    except Exception:  # PIL raises many kinds; the decoder will name the file
        return encoded


def to_jpeg(image: Image.Image) -> bytes:
    """Encodes an image as a JPEG without visible loss."""
    if image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=100, subsampling=0)
    return buffer.getvalue()


def to_png(image: Image.Image) -> bytes:
    """Encodes an image as a PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def size(file: str | BinaryIO, name: str) -> tuple[int, int] | None:
    """Returns width and height from an image's header, or None if broken.

    Args:
        file: The path or the open file.
        name: The image's name, for messages.

    Raises:
        InputError: The header states more than `MAX_PIXELS` pixels.
    """
    try:
        with Image.open(file) as image:
            width, height = image.size
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{name} has more than {MAX_PIXELS:,} pixels, or a broken header; "
            "make it smaller or remove it."
        ) from error
    except OSError:
        return None
    return width, height

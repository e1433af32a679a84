"""Image files: which are images, and their bytes, turned upright."""

import io
import os
import pathlib
from collections.abc import Iterator
from typing import BinaryIO

from absl import logging
from PIL import Image, ImageOps

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".gif")
JPEG_MAGIC = b"\xff\xd8\xff"
_ORIENTATION = 0x0112  # the EXIF tag; 1 is upright
_MAX_NAMES = 3  # of ignored files in a warning


def find(directory: pathlib.Path) -> tuple[list[str], list[str]]:
    """Files below a directory, hidden ones apart, sorted by path.

    A folder that links lead to more than once, such as a parent, counts once,
    under its own path where that is below the directory.

    Returns:
        The images' paths, by their extension in any case, and the others'.
    """
    images: list[str] = []
    others: list[str] = []
    for parent, files in _walk(directory):
        for name in files:
            if is_hidden(name):
                continue
            (images if is_image(name) else others).append(
                os.path.join(parent, name)
            )
    return sorted(images), sorted(others)


def _walk(directory: pathlib.Path) -> Iterator[tuple[str, list[str]]]:
    """Each real folder once, with the names in it; links come last."""
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
    """Whether this name is an image's."""
    return os.path.splitext(name)[1].lower() in EXTENSIONS


def is_hidden(name: str) -> bool:
    """Whether this name is to be passed over."""
    return name.startswith(".")


def warn_of_others(paths: list[str], name: str) -> None:
    """One warning of all files in `name` that are taken for no images."""
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


def read(path: str) -> bytes:
    """A file's content, turned upright; see `upright`."""
    return upright(pathlib.Path(path).read_bytes())


def upright(encoded: bytes) -> bytes:
    """Turns a JPEG as its EXIF orientation says, as browsers do.

    TensorFlow's decoder does not look at it. Other files, and broken ones,
    stay as they are, byte for byte.
    """
    if not encoded.startswith(JPEG_MAGIC) or b"Exif" not in encoded:
        return encoded
    try:
        image = Image.open(io.BytesIO(encoded))
        exif = Image.Exif()
        exif.load(image.info["exif"])
        if exif.get(_ORIENTATION) not in range(2, 9):
            return encoded
        return to_jpeg(ImageOps.exif_transpose(image))
    except Exception:  # many kinds; the decoder will name the file
        return encoded


def to_jpeg(image: Image.Image) -> bytes:
    """Encodes an image so that nothing is lost visibly."""
    if image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=100, subsampling=0)
    return buffer.getvalue()


def size(file: str | BinaryIO) -> tuple[int, int] | None:
    """Width and height as an image's header says; None if that is broken."""
    try:
        with Image.open(file) as image:
            return image.size
    except OSError:
        return None

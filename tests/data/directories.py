"""Directories of images that the tests of this folder share."""

import io
import struct
import zlib

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_image

from noisy_student.config.paths import to_path
from noisy_student.data import records
from noisy_student.files import shards


def photo(number, size=(50, 40)):
    """A part of a real photograph, another for each number."""
    pixels = load_sample_image(("china.jpg", "flower.jpg")[number % 2])
    top, left = 7 * number % 300, 11 * number % 400
    return Image.fromarray(
        pixels[top : top + 3 * size[1], left : left + 3 * size[0]]
    ).resize(size)


def encode(image, file_format="JPEG", **options):
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def exif_of(orientation):
    """EXIF data with an orientation, from 1 to 8; 1 is upright."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def huge_png(side=30_000):
    """A PNG whose header states a size that nothing could decode."""

    def chunk(name, content):
        checksum = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + checksum

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(100)))
        + chunk(b"IEND", b"")
    )


def huge_jpeg(side=30_000, **options):
    """The same as a JPEG."""
    encoded = bytearray(encode(photo(0), **options))
    start = encoded.index(b"\xff\xc0") + 5
    encoded[start : start + 4] = struct.pack(">HH", side, side)
    return bytes(encoded)


def write_folders(root, folders, size=(50, 40)):
    """Photographs by {folder: number}; returns {path: bytes}, in order."""
    written = {}
    for folder, count in folders.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            path = root / folder / f"{i:03d}.jpg"
            path.write_bytes(encode(photo(len(written), size)))
            written[str(path)] = path.read_bytes()
    return written


def write_shard(path, examples):
    """Records of (encoded, 0-based label) pairs."""
    with shards.shard_writer(to_path(path)) as writer:
        for number, (encoded, label) in enumerate(examples):
            writer.write(records.encode_image(encoded, label, str(number)))


def write_records(root, split, counts, classes=3, side=20):
    """Shards of so many PNGs each; returns their bytes, in order."""
    written = []
    for shard, count in enumerate(counts):
        examples = []
        for _ in range(count):
            number = len(written)
            pixels = np.full((side, side, 3), number, np.uint8)
            encoded = encode(Image.fromarray(pixels), "PNG")
            examples.append((encoded, number % classes))
            written.append(encoded)
        name = shards.shard_name(split, shard, len(counts))
        write_shard(root / name, examples)
    return written


def read_all(source):
    examples = list(source.read().as_numpy_iterator())
    assert len(examples) == source.num_images
    return examples


def encoded_of(source):
    return [example["encoded"] for example in read_all(source)]


def labels_of(source):
    return [int(example["label"]) for example in read_all(source)]

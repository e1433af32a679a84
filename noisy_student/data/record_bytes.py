"""The bytes of TFRecord files: where records are, and their data.

A record is a length (8 bytes), the length's checksum (4), the data, and their
checksum (4). Of a file on a disk only the lengths are read. In a bucket it
would take longer to ask for each of them than to read all of the file.
"""

import os
from collections.abc import Iterator
from typing import BinaryIO

import tensorflow as tf
from etils import epath

from noisy_student.config.paths import is_remote
from noisy_student.errors import InputError
from noisy_student.files import remote

_HEADER, _AROUND = 12, 16  # bytes before the data, and around them
_READ_AHEAD = 2**24  # bytes of a file in a bucket


def walk(path: epath.Path) -> Iterator[tuple[int, int]]:
    """Yields where each record begins, and where it ends.

    The last end may lie beyond the end of the file. A record whose header is
    cut off is left out, and in a bucket any that is cut off.

    Raises:
        InputError: A length is damaged, or the file holds no TFRecords. In a
            bucket, or a record is damaged.
    """
    if is_remote(path):
        yield from _walk_bucket(path)
        return
    size, offset = remote.size(path), 0
    with open(path, "rb", buffering=0) as file:
        while offset + _HEADER <= size:
            header = os.pread(file.fileno(), _HEADER, offset)
            end = offset + _AROUND + int.from_bytes(header[:8], "little")
            # The checksum costs more than all the rest, and a damaged length
            # leads beyond the end sooner or later.
            if end > size and _masked_crc(header[:8]) != header[8:]:
                raise _damaged(path, offset)
            yield offset, end
            offset = end


def _walk_bucket(path: epath.Path) -> Iterator[tuple[int, int]]:
    records = tf.data.TFRecordDataset(str(path), buffer_size=_READ_AHEAD)
    offset = 0
    try:
        for length in records.map(tf.strings.length).as_numpy_iterator():
            end = offset + _AROUND + int(length)
            yield offset, end
            offset = end
    except tf.errors.DataLossError as error:
        if "truncated" not in error.message:
            raise _damaged(path, offset) from error


def _damaged(path: epath.Path, offset: int) -> InputError:
    return InputError(
        f"{path} is no TFRecord file, or damaged at byte {offset} or before; "
        "make it again."
    )


def _masked_crc(data: bytes) -> bytes:
    """Returns TFRecord's checksum: CRC-32C, rotated, plus a constant."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    return masked.to_bytes(4, "little")


def data_of(file: BinaryIO, begin: int, end: int) -> bytes:
    """Returns the data of the record between two places of an open file."""
    file.seek(begin + _HEADER)
    return file.read(end - begin - _AROUND)

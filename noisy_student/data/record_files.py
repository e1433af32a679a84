"""TFRecord files as files: which there are, how many records, what is broken.

A record is a length (8 bytes), that one's checksum (4), the data, and their
checksum (4). Lengths are enough to count, so that no data are read; what the
records mean is the matter of `records.py`.
"""

import contextlib
import json
import os
import pathlib
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import tensorflow as tf
from absl import logging

from noisy_student import progress
from noisy_student.errors import InputError

COUNTS_FILE = "counts.json"  # {file name: [records, bytes]}
_PREFIX = r"\w[\w-]*"
_NAME = re.compile(
    rf"(?P<prefix>{_PREFIX})-(?P<index>\d{{5}})-of-(?P<count>\d{{5}})"
)
_HEADER, _AROUND = 12, 16  # bytes before the data, and around them
_MAX_NAMES = 3  # of missing files in an error


def find(directory: pathlib.Path) -> dict[str, list[pathlib.Path]]:
    """The record files of a directory, in order, by their prefix.

    Files are named `train-00000-of-00128`; others are passed over.

    Raises:
        ValueError: files of a prefix are missing, or of two different sets.
    """
    found: dict[str, dict[int, set[int]]] = {}
    for path in directory.iterdir():
        match = _NAME.fullmatch(path.name)
        if match and path.is_file():
            sets = found.setdefault(match["prefix"], {})
            sets.setdefault(int(match["count"]), set()).add(int(match["index"]))
    return {
        prefix: _complete(directory, prefix, sets)
        for prefix, sets in sorted(found.items())
    }


def check_prefix(prefix: str) -> None:
    """Refuses a prefix that `find` would not find.

    Raises:
        ValueError: naming it.
    """
    if not re.fullmatch(_PREFIX, prefix):
        raise ValueError(
            "The name of a split must be of letters, digits, _ and -; got "
            f"{prefix!r}."
        )


def _complete(
    directory: pathlib.Path, prefix: str, sets: dict[int, set[int]]
) -> list[pathlib.Path]:
    """The paths of one prefix, whose `sets` are {files: indices}."""
    if len(sets) > 1:
        counts = " and of ".join(f"{count:05d}" for count in sorted(sets))
        raise ValueError(
            f"{directory} has {prefix} files of {counts}; leave one set there."
        )
    ((count, indices),) = sets.items()
    names = [f"{prefix}-{i:05d}-of-{count:05d}" for i in range(count)]
    missing = [name for i, name in enumerate(names) if i not in indices]
    if missing or len(indices) > count:
        others = len(missing) - _MAX_NAMES
        more = f" and {others} others" if others > 0 else ""
        raise ValueError(
            f"{directory} must hold all {count} files of {prefix}, numbered "
            f"from 0; missing are {', '.join(missing[:_MAX_NAMES])}{more}."
        )
    return [directory / name for name in names]


def scan(path: pathlib.Path) -> tuple[int, int | None]:
    """Counts a file's records by their lengths.

    Returns:
        How many records are whole, and the byte offset at which the file is
        cut off, or None.

    Raises:
        InputError: a length is damaged, or the file holds no TFRecords.
    """
    number, offset = 0, 0
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        for _start, end in _walk(file):
            if end > size:
                return number, offset
            number, offset = number + 1, end
    return (number, None) if offset == size else (number, offset)


def _walk(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Where each record's data start, and where the record ends.

    The last end may lie behind the file's; what is left of a header does not
    count.
    """
    descriptor, offset = file.fileno(), 0
    size = os.fstat(descriptor).st_size
    while offset + _HEADER <= size:
        header = os.pread(descriptor, _HEADER, offset)
        end = offset + _AROUND + int.from_bytes(header[:8], "little")
        # The checksum costs more than all the rest, and a damaged length
        # leads behind the end sooner or later.
        if end > size and _masked_crc(header[:8]) != header[8:]:
            raise InputError(
                f"{file.name} is no TFRecord file, or damaged at byte "
                f"{offset} or before; make it again."
            )
        yield offset + _HEADER, end
        offset = end


def _masked_crc(data: bytes) -> bytes:
    """TFRecord's checksum: CRC-32C, rotated and added to a constant."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    return masked.to_bytes(4, "little")


def read_at(path: pathlib.Path, numbers: Iterable[int]) -> list[bytes]:
    """The data of some records, by their numbers; reads nothing else."""
    wanted, found = set(numbers), []
    with path.open("rb", buffering=0) as file:
        for number, (start, end) in enumerate(_walk(file)):
            if number in wanted:
                size = end - start - (_AROUND - _HEADER)
                found.append(os.pread(file.fileno(), size, start))
                if len(found) == len(wanted):
                    break
    return found


def count(paths: list[pathlib.Path]) -> list[int]:
    """How many whole records each file of a directory has.

    `counts.json` beside the files saves the time where it knows a file of
    this size. A file that is cut off is a warning.

    Raises:
        InputError: a file is damaged; see `scan`.
    """
    known = _load_counts(paths[0].parent) if paths else {}
    sizes = [path.stat().st_size for path in paths]
    numbers: dict[pathlib.Path, int] = {}
    for path, size in zip(paths, sizes, strict=True):
        number, known_size = known.get(path.name, (0, -1))
        if size == known_size:
            numbers[path] = number
    unknown = [path for path in paths if path not in numbers]
    if unknown:
        with progress.bar(len(unknown), "count records", "file") as bar:
            for path in unknown:
                numbers[path] = _count_one(path)
                bar.update()
    return [numbers[path] for path in paths]


def _count_one(path: pathlib.Path) -> int:
    number, truncated_at = scan(path)
    if truncated_at is not None:
        logging.warning(
            "%s is cut off in the record that starts at byte %d; only the %d "
            "records before it are used.",
            path,
            truncated_at,
            number,
        )
    return number


def _load_counts(directory: pathlib.Path) -> dict[str, list[int]]:
    path = directory / COUNTS_FILE
    if not path.exists():
        return {}
    try:
        counts = json.loads(path.read_text())
        return {str(n): [int(x), int(y)] for n, (x, y) in counts.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} must be JSON of {{file name: [records, bytes]}} "
            f"({error}); remove it, and the records are counted."
        ) from error


def locate_damage(paths: Iterable[str]) -> tuple[str, int] | None:
    """The first damaged record of some files, all of which may be read.

    Returns:
        Path and byte offset of the record, or None where all are sound. What
        is cut off is no damage.
    """
    paths = list(paths)
    with progress.bar(len(paths), "look for the damage", "file") as bar:
        for path in paths:
            number = 0
            try:
                for _ in tf.data.TFRecordDataset(path):
                    number += 1
            except tf.errors.DataLossError:
                offset = _offset(pathlib.Path(path), number)
                if offset is not None:
                    return path, offset
            bar.update()
    return None


def _offset(path: pathlib.Path, number: int) -> int | None:
    """Where a record starts; None where the file is just cut off in it."""
    offset = 0
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        with contextlib.suppress(InputError):
            for i, (_start, end) in enumerate(_walk(file)):
                if i == number:
                    return None if end > size else offset
                offset = end
            return None  # cut off in a header
    return offset

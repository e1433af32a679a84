"""TFRecord files as files: finding them, counting records, locating damage.

`record_bytes.py` finds the records in a file, and `records.py` says what they
mean.
"""

import contextlib
import json
import re
from collections.abc import Iterable

import tensorflow as tf
from absl import logging
from etils import epath

from noisy_student import progress
from noisy_student.config.paths import is_remote, to_path
from noisy_student.data import record_bytes
from noisy_student.errors import InputError
from noisy_student.files import remote

COUNTS_FILE = "counts.json"  # {file name: [records, bytes]}
_PREFIX = r"\w[\w-]*"
_NAME = re.compile(
    rf"(?P<prefix>{_PREFIX})-(?P<index>\d{{5}})-of-(?P<count>\d{{5}})"
)
_MAX_NAMES = 3  # missing files named in an error
# Where the original's layout has records, seen from its other directories.
_LIKELY = (
    "data",
    "filter_data/data",
    "unlabeled",
    "../filter_data/data",
    "../proc/unlabeled",
    "../unlabeled",
)


def find(
    directory: epath.Path, partial: str | None = None
) -> dict[str, list[epath.Path]]:
    """Returns the record files of a directory, in order, by their prefix.

    Files are named `train-00000-of-00128`; others are ignored.

    Args:
        directory: The directory.
        partial: A regular expression of the prefixes of which files may be
            missing; None for none.

    Raises:
        ValueError: Files are missing, or of two different sets.
    """
    found: dict[str, list[re.Match[str]]] = {}
    for name in remote.listing(directory)[1]:
        if match := _NAME.fullmatch(name):
            found.setdefault(match["prefix"], []).append(match)
    return {
        prefix: _files(
            directory,
            prefix,
            names,
            bool(partial and re.fullmatch(partial, prefix)),
        )
        for prefix, names in sorted(found.items())
    }


def places_of(directory: epath.Path, prefix: str) -> str:
    """Returns a hint for people: where there are files of a prefix instead.

    Args:
        directory: A directory without such files.
        prefix: Such as `extra`.

    Returns:
        The end of a message, "" where no likely directory has any.
    """
    if is_remote(directory):  # which has no parents to go up to
        return ""
    pattern = f"{prefix}-*-of-{'[0-9]' * 5}"
    paths = dict.fromkeys((directory / place).resolve() for place in _LIKELY)
    found = [str(path) for path in paths if any(path.glob(pattern))]
    return f"; there are such files in {' and '.join(found)}" if found else ""


def check_prefix(prefix: str) -> None:
    """Checks that `find` would find files of this prefix.

    Raises:
        ValueError: It would not.
    """
    if not re.fullmatch(_PREFIX, prefix):
        raise ValueError(
            "The name of a split must be of letters, digits, _ and -; got "
            f"{prefix!r}."
        )


def _files(
    directory: epath.Path,
    prefix: str,
    found: list[re.Match[str]],
    partial: bool,
) -> list[epath.Path]:
    """Returns the paths of a prefix, which has these files."""
    counts = sorted({match["count"] for match in found})
    if len(counts) > 1:
        raise ValueError(
            f"{directory} has {prefix} files of {' and of '.join(counts)}; "
            "leave one set there."
        )
    if partial:
        return [directory / name for name in sorted(m.string for m in found)]
    count = int(counts[0])
    names = [f"{prefix}-{i:05d}-of-{count:05d}" for i in range(count)]
    missing = sorted(set(names) - {match.string for match in found})
    if missing or len(found) > count:
        others = len(missing) - _MAX_NAMES
        more = f" and {others} others" if others > 0 else ""
        raise ValueError(
            f"{directory} must hold all {count} files of {prefix}, numbered "
            f"from 0; missing are {', '.join(missing[:_MAX_NAMES])}{more}."
        )
    return [directory / name for name in names]


def scan(path: epath.Path) -> tuple[int, int | None]:
    """Counts a file's records by their lengths.

    Returns:
        The number of whole records, and the byte offset of the record in
        which the file is cut off, or None.

    Raises:
        InputError: A length is damaged, or the file holds no TFRecords.
    """
    number, offset, size = 0, 0, remote.size(path)
    for _begin, end in record_bytes.walk(path):
        if end > size:
            return number, offset
        number, offset = number + 1, end
    return (number, None) if offset == size else (number, offset)


def read_at(path: epath.Path, numbers: Iterable[int]) -> list[bytes]:
    """Returns the data of records by their numbers; reads nothing else."""
    wanted, found = set(numbers), []
    with remote.open_binary(path) as file:
        for number, (begin, end) in enumerate(record_bytes.walk(path)):
            if number in wanted:
                found.append(record_bytes.data_of(file, begin, end))
                if len(found) == len(wanted):
                    break
    return found


def count(paths: list[epath.Path]) -> list[int]:
    """Counts the whole records of each file of a directory.

    A file that `counts.json` beside the files lists with its size is not
    read. A file that is cut off is warned of.

    Raises:
        InputError: A file is damaged; see `scan`.
    """
    known = _load_counts(paths[0].parent) if paths else {}
    numbers, unknown = {}, []
    for path in paths:
        number, size = known.get(path.name, (0, -1))
        if remote.size(path) == size:
            numbers[path] = number
        else:
            unknown.append(path)
    if unknown:
        with progress.bar(len(unknown), "count records", "file") as bar:
            for path in unknown:
                numbers[path] = _count_one(path)
                bar.update()
    return [numbers[path] for path in paths]


def _count_one(path: epath.Path) -> int:
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


def _load_counts(directory: epath.Path) -> dict[str, list[int]]:
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
    """Returns the first damaged record of some files, which are all read.

    Returns:
        The path and byte offset of the record, or None if all are sound. A
        file that is only cut off counts as sound.
    """
    paths = list(paths)
    with progress.bar(len(paths), "look for the damage", "file") as bar:
        for path in paths:
            number = 0
            try:
                for _ in tf.data.TFRecordDataset(path):
                    number += 1
            except tf.errors.DataLossError:
                offset = _offset(to_path(path), number)
                if offset is not None:
                    return path, offset
            bar.update()
    return None


def _offset(path: epath.Path, number: int) -> int | None:
    """Returns where a record starts; None if the file is cut off in it."""
    offset, size = 0, remote.size(path)
    with contextlib.suppress(InputError):
        for i, (_begin, end) in enumerate(record_bytes.walk(path)):
            if i == number:
                return None if end > size else offset
            offset = end
        return None  # cut off
    return offset

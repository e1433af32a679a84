"""Where the records of TFRecord files are, byte by byte.

Finding them reads the lengths of all records, as counting does. A process does
it once. Where there is a `counts.json`, which spares counting, what was found
is kept beside the file, in `train-00000-of-00128.offsets.npy`, so that only
the first run on a slow disk takes long.
"""

import functools
import io
from collections.abc import Sequence

import numpy as np
from absl import logging
from etils import epath

from noisy_student import progress
from noisy_student.config.paths import is_remote
from noisy_student.data import record_bytes, record_files
from noisy_student.errors import InputError
from noisy_student.files import remote, writing

_SUFFIX = ".offsets.npy"


def boundaries(paths: list[epath.Path]) -> list[np.ndarray]:
    """Returns where the records of each file begin and end.

    Returns:
        For each file int64 (whole records + 1,): the byte at which each whole
        record begins, and the one behind the last.

    Raises:
        InputError: A file is damaged; see `record_bytes.walk`.
    """
    found = []
    with progress.bar(len(paths), "find records", "file") as bar:
        for path in paths:
            size, time = remote.size(path), remote.modified(path)
            found.append(_boundaries(path, size, time))
            bar.update()
    return found


@functools.lru_cache(maxsize=8192)
def _boundaries(path: epath.Path, size: int, time: int) -> np.ndarray:
    """Returns the boundaries in a file of this size and time."""
    kept = path.with_name(path.name + _SUFFIX)
    if kept.exists() and remote.modified(kept) >= time:
        *bounds, size_then = np.load(io.BytesIO(kept.read_bytes()))
        if size_then == size:
            return np.array(bounds)
    found = find(path)
    if (path.parent / record_files.COUNTS_FILE).exists():
        keep(path, found)
    return found


def find(path: epath.Path) -> np.ndarray:
    """Returns the boundaries in a file, which it reads; see `boundaries`."""
    found, size = [0], remote.size(path)
    for _begin, end in record_bytes.walk(path):
        if end > size:  # the file is cut off
            break
        found.append(end)
    return np.array(found, np.int64)


def keep(path: epath.Path, found: np.ndarray) -> None:
    """Writes what `find` found in a file beside it, or else warns."""
    content = io.BytesIO()
    np.save(content, np.append(found, remote.size(path)))
    try:
        writing.write_bytes(
            path.with_name(path.name + _SUFFIX), content.getvalue()
        )
    except InputError as error:
        logging.warning("%s The next run must find its records again.", error)


def read_at(path: epath.Path, numbers: Sequence[int]) -> list[bytes]:
    """Returns the data of records by their numbers, ascending.

    Of a file in a bucket, which would have to be read up to the last of them,
    the boundaries are found first, or are known.
    """
    if not is_remote(path):
        return record_files.read_at(path, numbers)
    [bounds] = boundaries([path])
    with remote.open_binary(path) as file:
        return [
            record_bytes.data_of(file, int(bounds[n]), int(bounds[n + 1]))
            for n in numbers
        ]

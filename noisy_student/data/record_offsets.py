"""Where the records of TFRecord files are, byte by byte.

Finding them reads the lengths of all records, as counting does. A process does
it once. Where there is a `counts.json`, which spares counting, what was found
is kept beside the file, in `train-00000-of-00128.offsets.npy`, so that only
the first run on a slow disk takes long.
"""

import functools
import io
import os
import pathlib

import numpy as np
from absl import logging

from noisy_student import progress
from noisy_student.data import record_files
from noisy_student.errors import InputError
from noisy_student.files import writing

_SUFFIX = ".offsets.npy"


def boundaries(paths: list[pathlib.Path]) -> list[np.ndarray]:
    """Returns where the records of each file begin and end.

    Returns:
        For each file int64 (whole records + 1,): the byte at which each whole
        record begins, and the one behind the last.

    Raises:
        InputError: A file is damaged; see `record_files.walk`.
    """
    found = []
    with progress.bar(len(paths), "find records", "file") as bar:
        for path in paths:
            file = path.stat()
            found.append(_boundaries(path, file.st_size, file.st_mtime_ns))
            bar.update()
    return found


@functools.lru_cache(maxsize=8192)
def _boundaries(path: pathlib.Path, size: int, mtime_ns: int) -> np.ndarray:
    """Returns the boundaries in a file of this size and time."""
    kept = path.with_name(path.name + _SUFFIX)
    if kept.exists() and kept.stat().st_mtime_ns >= mtime_ns:
        *bounds, size_then = np.load(kept)
        if size_then == size:
            return np.array(bounds)
    found = _find(path)
    if (path.parent / record_files.COUNTS_FILE).exists():
        _keep(kept, np.append(found, size))
    return found


def _find(path: pathlib.Path) -> np.ndarray:
    found = [0]
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        for _start, end in record_files.walk(file):
            if end > size:  # the file is cut off
                break
            found.append(end)
    return np.array(found, np.int64)


def _keep(path: pathlib.Path, bounds_and_size: np.ndarray) -> None:
    content = io.BytesIO()
    np.save(content, bounds_and_size)
    try:
        writing.write_bytes(path, content.getvalue())
    except InputError as error:
        logging.warning("%s The next run must find its records again.", error)

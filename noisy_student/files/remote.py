"""What differs between the files of this machine and those of a bucket.

All else is the same for both: the methods of `epath.Path`, and TensorFlow's
readers and writers, which take either's paths as text.
"""

import contextlib
import fnmatch
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import BinaryIO, cast

from etils import epath

from noisy_student.config.paths import is_remote, to_path

# Lists folders with a slash behind the name; others must be asked for each.
_MARKS_FOLDERS = "gs://"


def size(path: epath.Path) -> int:
    """The bytes of a file.

    Raises:
        FileNotFoundError: there is none.
    """
    return path.stat().length if is_remote(path) else os.stat(path).st_size


def modified(path: epath.Path) -> int:
    """When a file was written: more is later, and the unit is the system's."""
    if is_remote(path):
        return path.stat().mtime
    return os.stat(path).st_mtime_ns


def open_binary(path: epath.Path) -> AbstractContextManager[BinaryIO]:
    """Opens a file to be read; use it in a `with`."""
    return cast(AbstractContextManager[BinaryIO], path.open("rb"))


def errors(path: epath.Path) -> tuple[type[Exception], ...]:
    """What is raised where a disk, or a bucket, cannot be read or written."""
    if not is_remote(path):
        return (OSError,)
    import tensorflow as tf  # slow to import

    return (OSError, tf.errors.OpError)


def can_be_made(path: epath.Path) -> bool:
    """Whether a file's directory is there; a bucket makes it by itself."""
    return is_remote(path) or path.absolute().parent.is_dir()


def listing(directory: epath.Path) -> tuple[list[str], list[str]]:
    """The names of the folders in a directory, and those of its files.

    Returns:
        Both sorted, and empty where there is no such directory.
    """
    if is_remote(directory):
        return _remote_listing(directory)
    if not directory.is_dir():
        return [], []
    with os.scandir(directory) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    folders = [entry.name for entry in entries if entry.is_dir()]
    return folders, [entry.name for entry in entries if entry.is_file()]


def _remote_listing(directory: epath.Path) -> tuple[list[str], list[str]]:
    import tensorflow as tf  # slow to import

    folders: set[str] = set()
    files: set[str] = set()
    for name in _names(directory):
        is_folder = name.endswith("/") or (
            not str(directory).startswith(_MARKS_FOLDERS)
            and tf.io.gfile.isdir(str(directory / name))
        )
        (folders if is_folder else files).add(name.rstrip("/"))
    return sorted(folders), sorted(files)


def _names(directory: epath.Path) -> list[str]:
    """What a bucket has in a directory; nothing where there is none."""
    import tensorflow as tf  # slow to import

    try:
        return tf.io.gfile.listdir(str(directory))
    except tf.errors.NotFoundError:
        return []


def glob(directory: epath.Path, pattern: str) -> list[epath.Path]:
    """What matches a pattern such as `*/*.json` in a directory, sorted.

    That of TensorFlow would list a bucket to its depth, and take characters
    in the directory's name for a pattern.
    """
    if not is_remote(directory):
        return sorted(directory.glob(pattern))
    first, _, rest = pattern.partition("/")
    names = sorted({name.rstrip("/") for name in _names(directory)})
    found = [directory / x for x in names if fnmatch.fnmatchcase(x, first)]
    if not rest:
        return found
    return [path for each in found for path in glob(each, rest)]


def files_below(directory: epath.Path) -> list[epath.Path]:
    """The files in a directory and in all folders in it, sorted."""
    if not is_remote(directory):
        below = pathlib.Path(directory).rglob("*")
        return [to_path(path) for path in sorted(below) if path.is_file()]
    folders, files = listing(directory)
    found = [directory / name for name in files]
    for name in folders:
        found += files_below(directory / name)
    return sorted(found)


def copy(source: epath.Path, target: epath.Path) -> None:
    """Copies a file; the directory must be there.

    In a bucket the file is there when all of it is, or the earlier one stays.

    Raises:
        Exception: see `errors`.
    """
    if not (is_remote(source) or is_remote(target)):
        shutil.copyfile(source, target)
        return
    import tensorflow as tf  # slow to import

    tf.io.gfile.copy(str(source), str(target), overwrite=True)


@contextlib.contextmanager
def local_copy(path: epath.Path) -> Iterator[epath.Path]:
    """Yields a file for a library that knows no buckets.

    It is the file itself, or a copy of a bucket's that goes with the block.
    """
    if not is_remote(path):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        local = to_path(folder) / path.name
        copy(path, local)
        yield local


def remove_tree(directory: epath.Path) -> None:
    """Removes a directory and all that is in it.

    Raises:
        Exception: see `errors`.
    """
    if is_remote(directory):
        directory.rmtree()
    else:
        shutil.rmtree(directory)

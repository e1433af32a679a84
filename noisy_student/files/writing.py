"""Atomic writing: a file appears under its name only when it is whole.

Every file that a run leaves is written, and removed, through this module. On a
disk, what is written has a temporary name until it is whole. In a bucket,
where nothing can be renamed at once, it is written on this machine and then
copied: each file appears whole, and a directory file by file.
"""

import contextlib
import json
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from typing import Any

from etils import epath

from noisy_student.config.paths import is_remote, to_path
from noisy_student.errors import disk_error
from noisy_student.files import remote

_PREFIX = "tmp."


def temporary_path(path: epath.Path) -> epath.Path:
    """A name beside `path`, with its suffix, that no other process uses.

    Several processes or machines may write the same file at once.
    """
    return path.with_name(f"{_PREFIX}{uuid.uuid4().hex}.{path.name}")


def is_temporary(path: epath.Path) -> bool:
    """Whether this is the name of an unfinished file."""
    return path.name.startswith(_PREFIX)


@contextlib.contextmanager
def replacing(
    path: epath.Path, errors: tuple[type[Exception], ...] = (OSError,)
) -> Iterator[epath.Path]:
    """Yields a temporary path, renamed to `path` when the block has ended.

    Makes the directories above. If the block fails, nothing is left behind
    and an earlier file at `path` stays as it was. Unfinished files of killed
    processes go when the file is there. The temporary path is always one of
    this machine; to a bucket, the file is copied, which replaces an earlier
    one at once.

    Args:
        path: of the file.
        errors: what the block raises where the disk is at fault; others
            pass as they are.

    Raises:
        InputError: the file cannot be written.
    """
    with disk_errors(path, *remote.errors(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
    if is_remote(path):
        with tempfile.TemporaryDirectory() as folder:
            local = to_path(folder) / path.name
            with disk_errors(path, *errors):
                yield local
            with disk_errors(path, *remote.errors(path)):
                remote.copy(local, path)
        return
    temporary = temporary_path(path)
    try:
        with disk_errors(path, *errors):
            yield temporary
        with disk_errors(path, OSError):
            _rename(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_directory(path: epath.Path, last: str) -> Iterator[epath.Path]:
    """Yields a temporary directory, renamed to `path` when the block has ended.

    If the block fails, nothing is left behind. Unfinished directories of
    killed processes go when the directory is there. To a bucket, the files are
    copied one by one; those that a killed process has copied stay there.

    Args:
        path: of the directory; there is none, or an empty one.
        last: the name of the file that says that the directory is whole. It
            is the last one to be copied.

    Raises:
        InputError: a file cannot be written.
    """
    if is_remote(path):
        with tempfile.TemporaryDirectory() as folder:
            local = to_path(folder)
            with disk_errors(path, OSError):
                yield local
            with disk_errors(path, *remote.errors(path)):
                _copy_all(local, path, last)
        return
    temporary = temporary_path(path)
    try:
        with disk_errors(path, OSError):
            temporary.mkdir(parents=True)
            yield temporary
            temporary.replace(path)
            for leftover in path.parent.glob(f"{_PREFIX}*.{path.name}"):
                remove(leftover)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _copy_all(source: epath.Path, target: epath.Path, last: str) -> None:
    """Copies the files of a directory to a bucket, all or none."""
    files = remote.files_below(source)
    try:
        for path in sorted(files, key=lambda path: path == source / last):
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            remote.copy(path, copy)
    except BaseException:
        with contextlib.suppress(*remote.errors(target)):
            remote.remove_tree(target)
        raise


@contextlib.contextmanager
def disk_errors(path: epath.Path, *errors: type[Exception]) -> Iterator[None]:
    """Raises an `InputError` that names `path` in place of these errors."""
    try:
        yield
    except errors as error:
        raise disk_error(path, error) from error


def _rename(temporary: epath.Path, path: epath.Path) -> None:
    try:
        temporary.replace(path)
    except FileNotFoundError:
        # Another process has finished the same file and removed this one.
        if not path.exists():
            raise
    for leftover in path.parent.glob(f"{_PREFIX}*.{path.name}"):
        with contextlib.suppress(OSError):
            leftover.unlink(missing_ok=True)


def write_bytes(path: epath.Path, content: bytes) -> None:
    """Writes a file; see `replacing`."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: epath.Path, text: str) -> None:
    """Writes a UTF-8 file; see `replacing`."""
    write_bytes(path, text.encode())


def write_json(path: epath.Path, value: Any, indent: int | None = 2) -> None:
    """Writes JSON; see `replacing`."""
    write_text(path, json.dumps(value, indent=indent) + "\n")


def read_json(path: epath.Path) -> Any:
    """Reads what `write_json` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def copy(source: epath.Path, path: epath.Path) -> None:
    """Copies a file; see `replacing`."""
    with replacing(path, remote.errors(source)) as temporary:
        remote.copy(source, temporary)


def remove(directory: epath.Path) -> None:
    """Removes a directory and all that is in it, where it is still there.

    Raises:
        InputError: a file cannot be removed.
    """
    with disk_errors(directory, *remote.errors(directory)):
        if directory.exists():
            remote.remove_tree(directory)

"""Atomic writing: a file appears under its name only when it is whole.

Every file that a run leaves is written, and removed, through this module.
"""

import contextlib
import json
import pathlib
import shutil
import uuid
from collections.abc import Iterator
from typing import Any

from noisy_student.errors import disk_error

_PREFIX = "tmp."


def temporary_path(path: pathlib.Path) -> pathlib.Path:
    """A name beside `path`, with its suffix, that no other process uses.

    Several processes or machines may write the same file at once.
    """
    return path.with_name(f"{_PREFIX}{uuid.uuid4().hex}.{path.name}")


def is_temporary(path: pathlib.Path) -> bool:
    """Whether this is the name of an unfinished file."""
    return path.name.startswith(_PREFIX)


def is_remote(path: pathlib.Path) -> bool:
    """Whether a path is none of this machine's (gs://...)."""
    return ":/" in str(path)


@contextlib.contextmanager
def replacing(
    path: pathlib.Path, errors: tuple[type[Exception], ...] = (OSError,)
) -> Iterator[pathlib.Path]:
    """Yields a temporary path, renamed to `path` when the block has ended.

    Makes the directories above. If the block fails, nothing is left behind
    and an earlier file at `path` stays as it was. Unfinished files of killed
    processes go when the file is there.

    Args:
        path: of the file.
        errors: what the block raises where the disk is at fault; others
            pass as they are.

    Raises:
        InputError: the file cannot be written.
    """
    temporary = temporary_path(path)
    with disk_errors(path, OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with disk_errors(path, *errors):
            yield temporary
        with disk_errors(path, OSError):
            _rename(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_directory(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a temporary directory, renamed to `path` when the block has ended.

    If the block fails, nothing is left behind. Unfinished directories of
    killed processes go when the directory is there.

    Args:
        path: of the directory; there is none, or an empty one.

    Raises:
        InputError: a file cannot be written.
    """
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


@contextlib.contextmanager
def disk_errors(path: pathlib.Path, *errors: type[Exception]) -> Iterator[None]:
    """Raises an `InputError` that names `path` in place of these errors."""
    try:
        yield
    except errors as error:
        raise disk_error(path, error) from error


def _rename(temporary: pathlib.Path, path: pathlib.Path) -> None:
    try:
        temporary.replace(path)
    except FileNotFoundError:
        # Another process has finished the same file and removed this one.
        if not path.exists():
            raise
    for leftover in path.parent.glob(f"{_PREFIX}*.{path.name}"):
        with contextlib.suppress(OSError):
            leftover.unlink(missing_ok=True)


def write_bytes(path: pathlib.Path, content: bytes) -> None:
    """Writes a file; see `replacing`."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes a UTF-8 file; see `replacing`."""
    write_bytes(path, text.encode())


def write_json(path: pathlib.Path, value: Any, indent: int | None = 2) -> None:
    """Writes JSON; see `replacing`."""
    write_text(path, json.dumps(value, indent=indent) + "\n")


def read_json(path: pathlib.Path) -> Any:
    """Reads what `write_json` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def copy(source: pathlib.Path, path: pathlib.Path) -> None:
    """Copies a file; see `replacing`."""
    with replacing(path) as temporary:
        shutil.copyfile(source, temporary)


def remove(directory: pathlib.Path) -> None:
    """Removes a directory and all that is in it, where it is still there.

    Raises:
        InputError: a file cannot be removed.
    """
    with disk_errors(directory, OSError):
        if directory.exists():
            shutil.rmtree(directory)

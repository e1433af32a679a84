"""One run per directory: a lock that ends with its process."""

import fcntl
import json
import os
import socket
import sys
import time
from typing import IO

from absl import logging
from etils import epath

from noisy_student.config.paths import is_remote
from noisy_student.errors import InputError
from noisy_student.files import writing

LOCK_FILE = "lock"
# Open until the process ends, which releases them.
_held: dict[epath.Path, IO[str] | None] = {}


def acquire(directory: epath.Path) -> None:
    """Makes this process the only one that runs in a directory.

    Does nothing where this process has the lock already and, with a warning,
    in buckets and file systems that have no locks.

    Args:
        directory: Of the run; it is made where it is missing.

    Raises:
        InputError: another process runs there; the message names it.
    """
    if is_remote(directory) and directory not in _held:
        logging.warning(
            "%s cannot be locked: see that no other run is in it.", directory
        )
        _held[directory] = None
    if is_remote(directory) or directory.resolve() in _held:
        return
    path = directory / LOCK_FILE
    owner = {
        "process": os.getpid(),
        "host": socket.gethostname(),
        "started": time.strftime("%Y-%m-%d %H:%M:%S"),
        "command": " ".join(sys.argv),
    }
    with writing.disk_errors(path, OSError):
        directory.mkdir(parents=True, exist_ok=True)
        file = open(path, "a+")  # noqa: SIM115 (stays open)
        _lock(file, directory)
        file.truncate(0)
        file.write(json.dumps(owner) + "\n")
        file.flush()
    _held[directory.resolve()] = file


def _lock(file: IO[str], directory: epath.Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InputError(
            f"{directory} is in use by another run, {_owner(file)}. Wait for "
            "its end, stop it, or name another directory."
        ) from error
    except OSError as error:
        logging.warning("%s cannot be locked: %s.", file.name, error.strerror)


def _owner(file: IO[str]) -> str:
    """The process that has the lock, as it has written itself."""
    file.seek(0)
    try:
        owner = json.loads(file.read())
        return (
            f"process {owner['process']} on {owner['host']}, started "
            f"{owner['started']}: {owner['command']}"
        )
    except (ValueError, KeyError, TypeError):
        return "which has not written its name yet"

"""Locks between calls of the study tool, which may run at the same time.

Both are of files that are there anyway, leave none behind, and end with the
processes that hold them. Where a file system has no locks, they do nothing.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from typing import IO

from etils import epath


def take(file: IO) -> bool:
    """Locks an open file, until this process and its children have closed it.

    Returns:
        Whether nobody else has locked it.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # no locks here; main.py warns of it
        pass
    return True


def is_taken(path: epath.Path) -> bool:
    """Whether somebody else has locked a file."""
    if not path.exists():
        return False
    with open(path) as file:
        return not take(file)


@contextlib.contextmanager
def waited_for(directory: epath.Path) -> Iterator[None]:
    """Keeps a directory locked; first waits for others who do."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)

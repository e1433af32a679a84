"""Errors with a message for people: what is wrong, and what to do."""

import re
from collections.abc import Sequence

from etils import epath

# Names of nodes and operations around the cause in TensorFlow's messages.
_OF_TENSORFLOW = re.compile(r"\{\{.*?\}\}|\[Op:.*?\].*", re.DOTALL)


class InputError(ValueError):
    """Wrong input, also where it shows only once the work has begun.

    The scripts show its message without a trace.
    """


class WorkerLostError(RuntimeError):
    """Another worker has ended; the same command resumes the run."""


def listed(names: Sequence[str], most: int = 10) -> str:
    """Names for a message: "a, b and 3 others"."""
    more = len(names) - most
    others = f" and {more} others" if more > 0 else ""
    return ", ".join(names[:most]) + others


def counted(number: int, noun: str) -> str:
    """A number of things for a message: "1 run", "2 runs"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def disk_error(path: epath.Path, error: Exception) -> InputError:
    """The error for a file that could not be written."""
    reason = _OF_TENSORFLOW.sub("", str(error)).strip()
    return InputError(
        f"{path} cannot be written: {reason}. Make room or name another "
        "directory, and run the same command again."
    )

"""The errors that people can mend and that show once the work began."""

import pathlib
import re

# What its messages say of graphs and operations, around the cause.
_OF_TENSORFLOW = re.compile(r"\{\{.*?\}\}|\[Op:.*?\].*", re.DOTALL)


class InputError(ValueError):
    """What was given does not fit; the message says what to do about it.

    Programs show the message alone. Arguments that are wrong by themselves
    raise a plain `ValueError` when they are made.
    """


class WorkerLostError(RuntimeError):
    """Another worker of a run has ended; the same command goes on."""


def disk_error(path: pathlib.Path, error: Exception) -> InputError:
    """What to say of a file that could not be written."""
    reason = _OF_TENSORFLOW.sub("", str(error)).strip()
    return InputError(
        f"{path} cannot be written: {reason}. Make room or name another "
        "directory, and run the same command again."
    )

"""How every script starts: bad input ends it with one line, not a trace."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from absl import logging

from noisy_student.errors import InputError

USAGE_ERROR = 2


def run_planned(
    argv: list[str], plan: Callable[[], Callable[[], None] | None]
) -> None:
    """Plans the work, which checks its input, and then does it.

    Ends the process with code 2 and one line on standard error where the
    input is at fault.

    Args:
        argv: what absl left of the command line.
        plan: returns the work, or None where none is left.
    """
    # TensorFlow's own notes would drown the progress bars.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        if argv[1:]:
            raise ValueError(f"unknown arguments {' '.join(argv[1:])}")
        work = plan()
    except (ValueError, OSError) as error:
        _end(error)
    if work is None:
        return
    logging.set_verbosity(logging.WARNING)
    try:
        work()
    except (InputError, FloatingPointError) as error:
        _end(error)


def _end(error: Exception) -> NoReturn:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(USAGE_ERROR)

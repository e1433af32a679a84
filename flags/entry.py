"""How every script starts: bad input ends it with one line, not a trace."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from absl import logging

from noisy_student import preemption
from noisy_student.errors import InputError, WorkerLostError

USAGE_ERROR = 2


def run_planned(
    argv: list[str], plan: Callable[[], Callable[[], None] | None]
) -> None:
    """Plans the work, which checks its input, and then does it.

    Ends the process with one line on standard error where something is
    wrong: with code 2 where the input is at fault, and with 75 where the same
    command will go on, after SIGTERM or when another worker is lost.

    Args:
        argv: what absl left of the command line.
        plan: returns the work, or None where none is left.
    """
    # TensorFlow's own notes would drown the progress bars.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        with preemption.watched():
            _run(argv, plan)
    except preemption.Preempted as stop:
        print(stop.message, file=sys.stderr)
        raise
    except WorkerLostError as error:
        _end(error, preemption.EXIT_CODE)


def _run(
    argv: list[str], plan: Callable[[], Callable[[], None] | None]
) -> None:
    try:
        if argv[1:]:
            raise ValueError(f"unknown arguments {' '.join(argv[1:])}")
        logging.set_verbosity(logging.WARNING)
        work = plan()
    except (ValueError, OSError) as error:
        _end(error, USAGE_ERROR)
    if work is None:
        return
    try:
        work()
    except (InputError, FloatingPointError) as error:
        _end(error, USAGE_ERROR)


def _end(error: Exception, code: int) -> NoReturn:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(code)

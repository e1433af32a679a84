"""How every script starts: bad input ends it with one line, not a trace."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn, Protocol

from absl import flags, logging

from flags import original
from noisy_student import preemption
from noisy_student.errors import InputError, WorkerLostError

USAGE_ERROR = 2

DEBUG = flags.DEFINE_bool(
    "debug", False, "Show where in the program an error came from."
)


class Stage(Protocol):
    """What a script does; see `noisy_student.stages.Stage`."""

    def validate(self) -> None:
        """Checks everything before the first expensive step."""

    def run(self) -> None:
        """Does the work."""


def run_stage(argv: list[str], make: Callable[[], Stage | None]) -> None:
    """Validates a stage, and then runs it.

    Ends the process with one line on standard error where something is
    wrong: with code 2 where the input is at fault, and with 75 where the same
    command will go on, after SIGTERM or when another worker is lost. With
    --debug the trace is shown.

    Args:
        argv: What absl left of the command line.
        make: Returns the stage, or None where nothing is left to do.
    """
    try:
        with preemption.watched():
            _run(argv, make)
    except preemption.Preempted as stop:
        print(stop.message, file=sys.stderr)
        raise
    except WorkerLostError as error:
        if DEBUG.value:
            raise
        print(f"error: {error}", file=sys.stderr, flush=True)
        sys.stdout.flush()
        # Not through the clean-up of TensorFlow and Python, which print
        # errors of their own about threads of the cluster that is gone.
        os._exit(preemption.EXIT_CODE)


def parse_flags(argv: list[str]) -> list[str]:
    """Parses the command line, for `app.run`; ends with one line if it cannot.

    Returns:
        What is no flag.
    """
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        print(f"error: {error} See --help.", file=sys.stderr)
        sys.exit(USAGE_ERROR)


def _run(argv: list[str], make: Callable[[], Stage | None]) -> None:
    try:
        if argv[1:]:
            raise ValueError(f"unknown arguments {' '.join(argv[1:])}")
        logging.set_verbosity(logging.WARNING)
        original.warn_of_ignored(flags.FLAGS)
        stage = make()
        if stage is not None:
            stage.validate()
    except (ValueError, OSError) as error:
        _end(error)
    try:
        if stage is not None:
            stage.run()
    except (InputError, FloatingPointError) as error:
        _end(error)


def _end(error: Exception) -> NoReturn:
    if DEBUG.value:
        raise error
    print(f"error: {error}", file=sys.stderr)
    sys.exit(USAGE_ERROR)

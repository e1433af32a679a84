"""How every script starts: bad input ends it with one line, not a trace."""

import os
import sys
from collections.abc import Callable

from absl import logging

USAGE_ERROR = 2

Work = Callable[[], None]


def run_planned(argv: list[str], plan: Callable[[], Work | None]) -> None:
    """Plans the work, which checks its input, and then does it.

    Ends the process with code 2 and one line on standard error where the
    plan raises `ValueError`.

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
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(USAGE_ERROR)
    if work:
        logging.set_verbosity(logging.WARNING)
        work()

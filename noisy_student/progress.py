"""Progress bars with rate and remaining time."""

import sys

import tqdm

# Seconds between updates, of a bar in a terminal and of lines in a log file.
_TERMINAL_SECONDS = 0.2
_LOG_SECONDS = 10.0


def bar(
    total: int,
    description: str,
    unit: str,
    initial: int = 0,
    shown: bool = True,
) -> tqdm.tqdm:
    """Makes a progress bar on standard error.

    Args:
        total: Number of units of the whole stage.
        description: Text before the bar.
        unit: What is counted, in the singular.
        initial: Number of units that an interrupted run has done already.
        shown: False for all but one of several processes that do the same.
    """
    seconds = _TERMINAL_SECONDS if sys.stderr.isatty() else _LOG_SECONDS
    return tqdm.tqdm(
        total=total,
        desc=description,
        unit=unit,
        initial=initial,
        mininterval=seconds,
        maxinterval=2 * seconds,
        dynamic_ncols=True,
        disable=not shown,
    )

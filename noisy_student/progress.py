"""Progress bars: how far, how fast, how long still."""

import sys

import tqdm

# A log file gets a line now and then, a terminal a bar that moves.
_TERMINAL_SECONDS = 0.2
_LOG_SECONDS = 10.0


def bar(
    total: int,
    description: str,
    unit: str,
    initial: int = 0,
    shown: bool = True,
) -> tqdm.tqdm:
    """A bar on standard error, with rate and time left.

    Args:
        total: units of the whole stage.
        description: of the stage.
        unit: what is counted, in the singular.
        initial: units done before, by a run that was interrupted.
        shown: off in all processes but one, where several do the same.
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

"""How many cores this process may use."""

import os


def available() -> int:
    """Returns their number: those that the system lets it run on, or all."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

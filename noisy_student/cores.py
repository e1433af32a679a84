"""How many cores this process may use."""

import os


def available() -> int:
    """Returns their number: those that the system lets it run on, or all."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def counted(number: int) -> str:
    """`1 core`, or so many cores."""
    return "1 core" if number == 1 else f"{number} cores"

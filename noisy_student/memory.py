"""How much memory a process may still take."""

import pathlib

import psutil

_CONTROL_GROUP = pathlib.Path("/sys/fs/cgroup")


def available() -> int:
    """Bytes that are free on this machine, and in its container."""
    free = psutil.virtual_memory().available
    try:
        limit = (_CONTROL_GROUP / "memory.max").read_text().strip()
        used = (_CONTROL_GROUP / "memory.current").read_text()
    except OSError:  # no container, or none of this kind
        return free
    return free if limit == "max" else min(free, int(limit) - int(used))

"""How much memory a process may still take."""

import pathlib
import re

import psutil

# Of control groups of version 2, and of version 1.
_CONTROL_GROUPS = (
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)
_ROOT = pathlib.Path("/sys/fs/cgroup")


def available() -> int:
    """Bytes that are free on this machine, and in its container."""
    free = psutil.virtual_memory().available
    for limit, used in _CONTROL_GROUPS:
        if (_ROOT / limit).is_file() and (_ROOT / used).is_file():
            free = min(free, _left(_ROOT / limit, _ROOT / used, free))
    return free


def _left(limit: pathlib.Path, used: pathlib.Path, free: int) -> int:
    """What a control group leaves; files in its cache give way."""
    most = limit.read_text().strip()
    if most == "max":
        return free
    statistics = used.with_name("memory.stat").read_text()
    cached = re.search(r"^(?:total_)?inactive_file (\d+)", statistics, re.M)
    in_use = int(used.read_text()) - int(cached[1] if cached else 0)
    return int(most) - in_use

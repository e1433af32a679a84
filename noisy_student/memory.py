"""How much more memory this process may use."""

import pathlib
import re

import psutil

# The limit and the usage of control groups, version 2 and version 1.
_CONTROL_GROUPS = (
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)
_ROOT = pathlib.Path("/sys/fs/cgroup")


def available() -> int:
    """Returns the bytes that are free on this machine and in its container."""
    free = psutil.virtual_memory().available
    for limit, used in _CONTROL_GROUPS:
        if (_ROOT / limit).is_file() and (_ROOT / used).is_file():
            free = min(free, _free_in_group(_ROOT / limit, _ROOT / used, free))
    return free


def _free_in_group(limit: pathlib.Path, used: pathlib.Path, free: int) -> int:
    """Returns the free bytes of a control group; its file cache can shrink."""
    most = limit.read_text().strip()
    if most == "max":
        return free
    statistics = used.with_name("memory.stat").read_text()
    cached = re.search(r"^(?:total_)?inactive_file (\d+)", statistics, re.M)
    in_use = int(used.read_text()) - int(cached[1] if cached else 0)
    return int(most) - in_use

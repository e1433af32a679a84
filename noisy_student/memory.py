"""How much memory this process may use, and what to do where it is full."""

import contextlib
import math
import pathlib
import re
from collections.abc import Iterator

import psutil
import tensorflow as tf

from noisy_student.errors import InputError

# The limit and the usage of control groups, version 2 and version 1.
_CONTROL_GROUPS = (
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)
_ROOT = pathlib.Path("/sys/fs/cgroup")
# What TensorFlow and XLA say of a full memory, the most telling first.
_TENSOR = re.compile(
    r"allocating tensor with shape\[([\d,]*)\] and type (\w+) on \S*"
    r"/device:(\w+:\d+)"
)
_COMPLAINTS = (
    r"trying to allocate [\d.]+ ?\w+",
    r"Used [\d.]+\w* of [\d.]+\w* \w+",
    r"Dst tensor is not copied",
    r"(?i:out of memory|failed to allocate|\bOOM\b|CUDA_ERROR_OUT_OF_MEMORY)",
)


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


@contextlib.contextmanager
def enough(work: str, ways_out: str) -> Iterator[None]:
    """Turns TensorFlow's errors about a full memory into one line for people.

    Args:
        work: What needs the memory, and of which size.
        ways_out: The settings by which it needs less.

    Raises:
        InputError: The memory of a device, or of this machine, is full.
    """
    try:
        yield
    except (tf.errors.ResourceExhaustedError, tf.errors.InternalError) as error:
        complaint = _complaint(error.message)
        if complaint is None:  # such as too many open files
            raise
        raise InputError(
            f"There is not enough memory for {work} ({complaint}): {ways_out}."
        ) from error


def _complaint(message: str) -> str | None:
    """Returns what was asked for, as far as TensorFlow's message tells it.

    Returns:
        None if the message is about something else.
    """
    if found := _TENSOR.search(message):
        shape, kind, device = found.groups()
        size = math.prod(map(int, filter(None, shape.split(","))))
        size *= tf.as_dtype(kind).size
        return f"no {size:,} bytes for {kind} [{shape}] on {device}"
    matches = (re.search(pattern, message) for pattern in _COMPLAINTS)
    return next((match[0] for match in matches if match), None)

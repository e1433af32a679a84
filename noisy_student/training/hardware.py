"""The devices in words, and why TensorFlow does not find NVIDIA's GPUs."""

import importlib.metadata
import os
import pathlib
import re
import subprocess

import psutil
import tensorflow as tf

from noisy_student import cores
from noisy_student.errors import counted

# What a driver leaves on Linux, and on Windows' Linux.
DRIVERS = (
    pathlib.Path("/proc/driver/nvidia/version"),
    pathlib.Path("/usr/lib/wsl/lib/libcuda.so.1"),
)
_INSTALL = "pip install -r requirements-gpu.txt"
_EXTRA = "and-cuda"
_SECONDS = 20


def description(strategy: tf.distribute.Strategy, num_workers: int) -> str:
    """Such as "4 x GPU, NVIDIA H200 with 143771 MiB (MirroredStrategy)"."""
    kind = "CPU"
    if isinstance(strategy, tf.distribute.TPUStrategy):
        kind = "TPU"
    elif found := tf.config.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(found[0])
        name = details.get("device_name", "unknown")
        kind = f"GPU, {name}"
        if size := memory(name):
            kind += f" with {size}"
    elif strategy.num_replicas_in_sync == 1:
        size = f"{psutil.virtual_memory().total // 2**30} GiB"
        number = counted(cores.available(), "core")
        kind = f"CPU with {number} and {size}, and no GPU"
    workers = f", {num_workers} workers" * (num_workers > 1)
    made_by = f"{type(strategy).__name__}{workers}"
    return f"{strategy.num_replicas_in_sync} x {kind} ({made_by})"


def memory(name: str) -> str | None:
    """Returns the memory of a kind of GPU, such as "143771 MiB", or None.

    Args:
        name: TensorFlow's and the driver's name of it, which number the GPUs
            of a machine differently.
    """
    command = "nvidia-smi --query-gpu=name,memory.total --format=csv,noheader"
    try:
        done = subprocess.run(
            command.split(), capture_output=True, text=True, timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    rows = (line.rpartition(", ") for line in done.stdout.splitlines())
    sizes = {found: size for found, _, size in rows}
    return sizes.get(name) if done.returncode == 0 else None


def why_unused() -> str | None:
    """Returns why TensorFlow finds no GPU here, and what to do about it.

    Returns:
        A sentence for users; None where it finds one, where this machine has
        no driver of NVIDIA, and where CUDA_VISIBLE_DEVICES hides its GPUs.
    """
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "all") in ("", "-1")
    drivers = [path for path in DRIVERS if path.exists()]
    if hidden or not drivers or tf.config.list_physical_devices("GPU"):
        return None
    found = f"This machine has NVIDIA's driver ({drivers[0]}), and TensorFlow"
    if not tf.test.is_built_with_cuda():
        return f"{found} is built without CUDA. Install PyPI's: {_INSTALL}"
    if missing := _missing_libraries():
        return f"{found} lacks {', '.join(missing)}. Install them: {_INSTALL}"
    cuda = tf.sysconfig.get_build_info().get("cuda_version", "its version")
    return (
        f"{found} finds no GPU all the same. Does nvidia-smi list one, and is "
        f"the driver new enough for CUDA {cuda}? TensorFlow says more: "
        "TF_CPP_MIN_LOG_LEVEL=0 python -c "
        "'import tensorflow as tf; tf.config.list_physical_devices()'"
    )


def _missing_libraries() -> list[str]:
    """The packages of TensorFlow's extra for GPUs that are not installed."""
    try:
        required = importlib.metadata.requires("tensorflow") or []
    except importlib.metadata.PackageNotFoundError:  # another build of it
        return []
    names = [
        re.split(r"[^\w-]", line)[0] for line in required if _EXTRA in line
    ]
    return [name for name in names if not _is_installed(name)]


def _is_installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True

"""Does a long run's memory grow?"""

import contextlib
import pathlib
import re
import subprocess
import sys
import tempfile
import time

_ROOT = pathlib.Path(__file__).parents[2]
_EVERY = 100  # steps between checkpoints
_FIRST_SHARE = 6  # the first sixth of the steps fills caches and buffers


def growth_of_a_run(num_steps: int = 2400) -> float:
    """Returns the relative growth of a run's memory after its first steps.

    Labelled digits with RandAugment, in a process of its own; the resident
    memory is read at every checkpoint.
    """
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [
                sys.executable,
                "main.py",
                "--flagfile=flags/recipes/digits.cfg",
                "--mode=train",
                "--method=supervised",
                "--unlabel_ratio=0",
                f"--train_steps={num_steps}",
                f"--save_checkpoints_steps={_EVERY}",
                f"--model_dir={folder}/run",
            ],
            cwd=_ROOT,
        )
        sizes: dict[int, int] = {}
        while process.poll() is None:
            step = _last_saved(pathlib.Path(folder, "run/checkpoints"))
            if step not in sizes and (size := _resident_kib(process.pid)):
                sizes[step] = size
            time.sleep(0.05)
    if process.returncode:
        raise RuntimeError(f"main.py ended with code {process.returncode}.")
    first, last = num_steps // _FIRST_SHARE // _EVERY * _EVERY, max(sizes)
    print(
        f"{sizes[first] / 1024:>16.0f} MiB at step {first}, "
        f"{sizes[last] / 1024:.0f} at step {last}",
        flush=True,
    )
    return sizes[last] / sizes[first] - 1


def _last_saved(checkpoints: pathlib.Path) -> int:
    names = " ".join(path.name for path in checkpoints.glob("*.index"))
    return max(map(int, re.findall(r"ckpt-(\d+)\.index", names)), default=0)


def _resident_kib(process_id: int) -> int | None:
    """None where the process has ended."""
    with contextlib.suppress(OSError):
        status = pathlib.Path(f"/proc/{process_id}/status").read_text()
        if found := re.search(r"VmRSS:\s+(\d+) kB", status):
            return int(found[1])
    return None

"""Does a long run's memory grow?"""

import pathlib
import re
import tempfile
import time

from tools.benchmarks import recipe, traces

_FIRST, _LAST = 400, 2400  # the first steps fill caches and buffers
_EVERY = 100


def growth_of_a_run() -> float:
    """Relative growth of resident memory over 2,000 steps of a run.

    Labelled digits with RandAugment, in a process of its own; a sample at
    every checkpoint.
    """
    with tempfile.TemporaryDirectory() as folder:
        directory = pathlib.Path(folder) / "run"
        process = recipe.start(
            directory,
            "--mode=train",
            "--method=supervised",
            "--unlabel_ratio=0",
            f"--train_steps={_LAST}",
            f"--save_checkpoints_steps={_EVERY}",
        )
        sizes: dict[int, int] = {}
        while process.poll() is None:
            step = traces.last_saved(directory)
            if step not in sizes and (size := _resident_kib(process.pid)):
                sizes[step] = size
            time.sleep(0.05)
        recipe.finish(process)
    first, last = sizes[_FIRST], sizes[max(sizes)]
    print(
        f"{first / 1024:>16.0f} MiB at step {_FIRST}, {last / 1024:.0f} at "
        f"step {max(sizes)}",
        flush=True,
    )
    return last / first - 1


def _resident_kib(process_id: int) -> int | None:
    """None where the process has ended."""
    try:
        status = pathlib.Path(f"/proc/{process_id}/status").read_text()
    except OSError:
        return None
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) if found else None

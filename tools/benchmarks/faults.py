"""Does training survive what happens to machines?

Trains a tiny model through main.py, does to it what `--faults` names, gives
the same command again, and compares its end with that of a run to which
nothing happened:

  python -m tools.benchmarks.faults --fault_kills=20

Prints a line for everything done, and at last a JSON object.
"""

import contextlib
import pathlib
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from absl import app, flags

from tools.benchmarks import fault_report, fault_workers, traces
from tools.benchmarks.fault_kills import kills
from tools.benchmarks.fault_report import Line, Report
from tools.benchmarks.fault_runs import (
    INTERVAL,
    PREEMPTED,
    Life,
    Run,
    error_line,
)

_STEPS = 200
_INPUT_ERROR = 2
_DATA = "data-00000-of-00001"


def truncated(folder: pathlib.Path) -> Report:
    """Cuts the newest checkpoint's data, or its index, to half."""
    whole = _whole(folder)
    lines = []
    for suffix in (_DATA, "index"):
        run = Run(folder / f"cut_{suffix}", _STEPS)
        _start_and_kill(run)
        newest = traces.newest_whole(run.directory)
        if newest is None:
            raise RuntimeError(f"{run.directory} has no checkpoint.")
        _cut(traces.checkpoint(run.directory, newest), suffix)
        life = run.finish()
        told = f"ckpt-{newest} cannot be read" in life.stderr
        seen, ok = run.compare(life, whole)
        fell_back = life.newest == newest - INTERVAL
        seen = f"{'told' if told else 'NOT told'} of it, {seen}"
        done = f"half of ckpt-{newest}.{suffix}"
        lines.append(Line(done, seen, ok and told and fell_back))
    return Report(lines, {"falls_back": all(line.ok for line in lines)})


def disk_full(folder: pathlib.Path) -> Report:
    """Lets the disk fill up, first with checkpoints, and makes room again."""
    whole = _whole(folder)
    last = traces.checkpoint(whole.directory, _STEPS)
    size = last.with_name(f"{last.name}.{_DATA}").stat().st_size
    try:
        # A few checkpoints fit, but not as many as are kept.
        with _disk(folder / "disk", 7 * size // 2) as disk:
            lines = _fill_by_saving(Run(disk / "saving", _STEPS), whole, disk)
            # Checkpoints so rare that a page of events is full before.
            every = f"--save_checkpoints_steps={_STEPS // 2}"
            run = Run(disk / "logging", _STEPS, (every,))
            lines += _fill_while_logging(run, whole, disk)
    except PermissionError as error:
        lines = [Line("disk full", f"no disk to fill: {error}", None)]
        return Report(lines, {"disk_full": None})
    return Report(lines, {"disk_full": all(line.ok for line in lines)})


def sigterm(folder: pathlib.Path) -> Report:
    """Asks a process to stop, in the midst of training."""
    whole = _whole(folder)
    run = Run(folder / "sigterm", _STEPS)
    with run.life() as life:
        process = run.start()
        process.wait_until(
            lambda: traces.last_saved(run.directory) >= 2 * INTERVAL
        )
        process.sleep(random.uniform(0, 0.5))
        process.terminate()
        life.end(process)
    saved = traces.newest_whole(run.directory)
    told = re.search(r"^Stopped by SIGTERM at step (\d+),", life.stderr, re.M)
    at = int(told[1]) if told else None
    ok = at is not None and at == saved == life.last_logged
    ok = ok and life.code == PREEMPTED and "Traceback" not in life.stderr
    seen = (
        f"code {life.code}, stopped at step {at}, logged {life.last_logged}, "
        f"saved {saved}"
    )
    lines = [Line("SIGTERM", seen, ok)]
    lines.append(_after_stop(run, run.finish(), whole))
    return Report(lines, {"sigterm": all(line.ok for line in lines)})


_FAULTS = {
    "kills": kills,
    "truncated": truncated,
    "disk_full": disk_full,
    "worker_lost": fault_workers.worker_lost,
    "sigterm": sigterm,
}
_NAMES = flags.DEFINE_list("faults", list(_FAULTS), "What is done.")
flags.register_validator(
    _NAMES, lambda names: set(names) <= set(_FAULTS), f"of {list(_FAULTS)}"
)


def _after_stop(run: Run, life: Life, whole: Run) -> Line:
    """Whether a run joins another's curve after a stop between its points.

    Not whether it ends with the same weights: how many steps a call on the
    device takes changes the rounding, which grows.
    """
    # The first is the mean over fewer steps.
    first = life.first_logged or 0
    window = range(first + 1, first + 3 * INTERVAL + 1)
    pieces, expected = (
        [point for point in one.curve() if point[0] in window]
        for one in (run, whole)
    )
    joined = bool(expected) and traces.joins(pieces, expected)
    seen = (
        f"{life}, ended at {run.last_step()} of {_STEPS}, "
        f"{'the same' if joined else 'ANOTHER'} curve"
    )
    ok = joined and run.last_step() == _STEPS and life.code == 0
    return Line("... started again", seen, ok and life.goes_on())


def _whole(folder: pathlib.Path) -> Run:
    """A run to which nothing happens; trained once."""
    run = Run(folder / "undisturbed", _STEPS)
    if run.last_step() is None:
        run.train()
    return run


def _start_and_kill(run: Run) -> None:
    process = run.start()
    process.wait_until(lambda: traces.last_saved(run.directory) >= 3 * INTERVAL)
    process.kill()


def _cut(prefix: pathlib.Path, suffix: str) -> None:
    path = prefix.with_name(f"{prefix.name}.{suffix}")
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size // 2)


def _fill_by_saving(run: Run, whole: Run, disk: pathlib.Path) -> list[Line]:
    """Trains until the disk is full of checkpoints."""
    with run.life() as life:
        life.end(run.start())
    line = _when_full("disk full, saving", run, life)
    _mount("remount,size=64m", disk)
    return [line, Line("... made room", *run.compare(run.finish(), whole))]


def _fill_while_logging(run: Run, whole: Run, disk: pathlib.Path) -> list[Line]:
    """Fills the disk after a checkpoint, long before the next."""
    filler = disk / "filler"
    with run.life() as life:
        process = run.start()
        process.wait_until(lambda: traces.last_saved(run.directory) > 0)
        with contextlib.suppress(OSError), open(filler, "wb", 0) as file:
            while file.write(bytes(2**12)):
                pass
        life.end(process)
    line = _when_full("disk full, logging", run, life)
    filler.unlink()
    return [line, Line("... made room", *run.compare(run.finish(), whole))]


def _when_full(done: str, run: Run, life: Life) -> Line:
    """One error that names a path, and checkpoints that can be read."""
    steps = traces.saved_steps(run.directory)
    readable = all(
        traces.is_whole(traces.checkpoint(run.directory, step))
        for step in steps
    )
    error = error_line(life.stderr) or f"NO ERROR LINE {life.stderr[-50:]!r}"
    state = "readable" if readable else "UNREADABLE"
    ok = life.code == _INPUT_ERROR and f"error: {run.directory}" in error
    seen = f"code {life.code}, {state} {steps}, {error}"
    return Line(done, seen, ok and bool(steps) and readable)


@contextlib.contextmanager
def _disk(directory: pathlib.Path, size: int) -> Iterator[pathlib.Path]:
    """A file system of so many bytes, in memory."""
    directory.mkdir()
    _mount(f"size={size}", directory)
    try:
        yield directory
    finally:
        # Lazily: where something went wrong, a process may still be there.
        subprocess.run(["umount", "-l", str(directory)], check=True)


def _mount(options: str, directory: pathlib.Path) -> None:
    """Mounts, or mounts anew.

    Raises:
        PermissionError: one may not, or there is no such program.
    """
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(directory)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise PermissionError(str(error)) from error
    except subprocess.CalledProcessError as error:
        raise PermissionError(error.stderr.strip()) from error


def main(argv: list[str]) -> None:
    """Does it all and prints what came of it."""
    del argv
    reports = []
    with tempfile.TemporaryDirectory() as folder:
        for name in _NAMES.value:
            print(f"{name} ...", file=sys.stderr, flush=True)
            reports.append(_FAULTS[name](pathlib.Path(folder).resolve()))
    lines = [line for report in reports for line in report.lines]
    print(fault_report.format_table(lines))
    print(fault_report.format_json(reports))


if __name__ == "__main__":
    app.run(main)

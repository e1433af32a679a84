"""One of the faults: a worker of several is lost."""

import pathlib
import time

from absl import flags

from tools.benchmarks import local_cluster, traces
from tools.benchmarks.fault_report import Line, Report
from tools.benchmarks.fault_runs import INTERVAL, PREEMPTED, Run

_SECONDS = flags.DEFINE_float(
    "lost_worker_seconds", 60, "Within these the worker that is left ends."
)

_STEPS = 100
_NAMES = ("the chief", "the other worker")


def worker_lost(folder: pathlib.Path) -> Report:
    """Kills one of two workers, and starts both again.

    Args:
        folder: for the run directories.
    """
    lines, seconds = [], []
    for victim, name in enumerate(_NAMES):
        run = Run(
            folder / f"lost_{victim}", _STEPS, ("--distribution=multi_worker",)
        )
        environments = local_cluster.environments()
        took, line = _lose(run, environments, victim)
        seconds.append(took)
        lines.append(Line(f"lost {name}", line.seen, line.ok))
        again = _start_again(run, environments)
        lines.append(Line("... both started again", again.seen, again.ok))
    return Report(lines, {"worker_lost_seconds": worst(seconds)})


def worst(seconds: list[float | None]) -> float | None:
    """The longest; None (one never ended) is worse than any."""
    known = [took for took in seconds if took is not None]
    return max(known) if len(known) == len(seconds) else None


def _lose(
    run: Run, environments: list[dict[str, str]], victim: int
) -> tuple[float | None, Line]:
    """Kills the victim; returns how long the other one lived on."""
    processes = [run.start(environment) for environment in environments]
    other = processes[1 - victim]
    other.wait_until(lambda: traces.last_saved(run.directory) >= 2 * INTERVAL)
    processes[victim].kill()
    begin = time.monotonic()
    code = other.finish(_SECONDS.value)
    took = None if code is None else round(time.monotonic() - begin, 1)
    error = other.error() or f"no error line but {other.stderr()[-500:]!r}"
    ok = code == PREEMPTED and other.error() is not None
    return took, Line("", f"code {code} after {took} s, {error}", ok)


def _start_again(run: Run, environments: list[dict[str, str]]) -> Line:
    with run.life() as life:
        processes = [run.start(environment) for environment in environments]
        codes = [process.finish() for process in processes]
    seen = f"{life}, ended at {run.last_step()} of {_STEPS} with codes {codes}"
    ended = run.last_step() == _STEPS and codes == [0, 0]
    went_on = life.newest is not None and life.first_logged is not None
    return Line("", seen, ended and went_on and life.goes_on())

"""The runs of a study: main.py for each arm and seed, and its result."""

import collections
import contextlib
import dataclasses
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from etils import epath

from noisy_student import preemption, report
from noisy_student.errors import InputError
from noisy_student.files import run_directory, writing
from tools.studies.figures import Outcome

ROOT = pathlib.Path(__file__).parents[2]
_POLL_SECONDS = 0.1

# Cores that a process may use; None: all.
Cores = set[int] | None


@dataclasses.dataclass(frozen=True)
class Run:
    """One arm with one seed."""

    arm: str
    seed: int
    recipe: epath.Path
    directory: epath.Path

    def __str__(self) -> str:
        return f"{self.arm}, seed {self.seed}"

    @property
    def log(self) -> epath.Path:
        """What main.py says; beside the run directory, which is its own."""
        return self.directory.with_name(f"{self.directory.name}.log")


# The processes under way, by the place of their cores.
_Processes = dict[int, tuple[Run, subprocess.Popen]]


def start(run: Run, arguments: Sequence[str]) -> subprocess.Popen:
    """Starts a run, or resumes it.

    Args:
        run: what to run.
        arguments: flags after the recipe's.
    """
    run.log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "main.py"]
    command += [f"--flagfile={run.recipe.absolute()}"]
    command += [f"--model_dir={run.directory.absolute()}", f"--seed={run.seed}"]
    with open(run.log, "a") as log:
        return subprocess.Popen(
            [*command, *arguments],
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def share_cores(jobs: int) -> list[Cores]:
    """Returns the cores of each of `jobs` processes; one alone has all.

    Raises:
        ValueError: there are fewer cores, or they cannot be shared out.
    """
    if jobs == 1:
        return [None]
    if not hasattr(os, "sched_setaffinity"):
        raise ValueError(f"jobs above 1 need Linux; got {jobs}.")
    cores = sorted(os.sched_getaffinity(0))
    if jobs > len(cores):
        raise ValueError(
            f"jobs must be at most the number of cores, {len(cores)}; got "
            f"{jobs}."
        )
    return [set(cores[i::jobs]) for i in range(jobs)]


def finish_all(
    runs: Sequence[Run],
    cores: Sequence[Cores],
    start_run: Callable[[Run], subprocess.Popen],
    finished: Callable[[Run], None],
) -> None:
    """Runs all in this order, some at once.

    Args:
        runs: what to run.
        cores: of the processes at once, one entry each.
        start_run: starts the process of a run.
        finished: called after each run.

    Raises:
        InputError: a run failed; those that were under way were stopped, and
            go on when they are started again.
        Preempted: on SIGTERM, likewise.
    """
    waiting = collections.deque(runs)
    processes: _Processes = {}
    # They may need longer to save than a stop otherwise waits.
    with preemption.held(lambda: None):
        try:
            while (waiting or processes) and not preemption.is_requested():
                for place in range(len(cores)):
                    if waiting and place not in processes:
                        run = waiting.popleft()
                        with _pinned_to(cores[place]):
                            processes[place] = run, start_run(run)
                time.sleep(_POLL_SECONDS)
                for run in _take_ended(processes):
                    finished(run)
        finally:
            _stop(processes)


def read(directory: epath.Path) -> Outcome:
    """Reads the result of a finished run.

    Self-training leaves `results.json` with a row per generation; training
    alone leaves `metrics.jsonl`, whose last line counts.

    Raises:
        InputError: there is neither.
    """
    results = directory / report.RESULTS_FILE
    if results.exists():
        rows = writing.read_json(results)["generations"]
    else:
        rows = run_directory.read_metrics(directory)[-1:]
    if not rows:
        raise InputError(
            f"{directory} has neither {results.name} nor "
            f"{run_directory.METRICS_FILE}; the arms of a study must have "
            "mode=train or mode=self_train."
        )
    return Outcome(
        tuple(100 * row["top_1_accuracy"] for row in rows),
        sum(row["seconds"] for row in rows),
    )


@contextlib.contextmanager
def _pinned_to(cores: Cores) -> Iterator[None]:
    """Pins this thread, and the processes that it starts, to some cores."""
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _take_ended(processes: _Processes) -> list[Run]:
    """Takes out the runs that have ended, or complains of one that failed."""
    ended = []
    for place, (run, process) in list(processes.items()):
        code = process.poll()
        if code is not None:
            del processes[place]
            _check(run, code)
            ended.append(run)
    return ended


def _check(run: Run, code: int) -> None:
    if code == preemption.EXIT_CODE:
        raise preemption.Preempted(f"{run} was stopped")
    if code:
        lines = run.log.read_text().splitlines()
        last = lines[-1].removeprefix("error: ") if lines else "nothing"
        raise InputError(
            f"{run}: main.py ended with code {code} ({run.log}): {last}"
        )


def _stop(processes: _Processes) -> None:
    """Lets the runs under way save, and waits for their ends."""
    for _, process in processes.values():
        process.terminate()
    for _, process in processes.values():
        process.wait()

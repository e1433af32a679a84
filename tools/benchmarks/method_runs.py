"""The runs of a comparison: main.py for each method and seed, and its result.

What is made of the results is in `method_figures.py`.
"""

import collections
import contextlib
import dataclasses
import os
import pathlib
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence

from noisy_student import preemption, report
from noisy_student.errors import InputError
from noisy_student.files import run_directory, writing
from tools.benchmarks import main_script
from tools.benchmarks.method_figures import Outcome

_POLL_SECONDS = 0.1

# Cores that a process may use; None: all.
Cores = set[int] | None


@dataclasses.dataclass(frozen=True)
class Run:
    """One method with one seed."""

    method: str
    seed: int
    recipe: pathlib.Path
    directory: pathlib.Path

    def __str__(self) -> str:
        return f"{self.method}, seed {self.seed}"

    @property
    def log(self) -> pathlib.Path:
        """What main.py says; beside the run directory, which is its own."""
        return self.directory.with_name(f"{self.directory.name}.log")


# Those under way, by the place of their cores.
_Processes = dict[int, tuple[Run, subprocess.Popen]]


def start(run: Run, arguments: Sequence[str]) -> subprocess.Popen:
    """Starts a run, or takes it up where it was.

    Args:
        run: which.
        arguments: flags after the recipe's.
    """
    run.log.parent.mkdir(parents=True, exist_ok=True)
    with open(run.log, "a") as log:
        return main_script.start(
            f"--flagfile={run.recipe.absolute()}",
            f"--model_dir={run.directory.absolute()}",
            f"--seed={run.seed}",
            *arguments,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def shares(jobs: int) -> list[Cores]:
    """The cores of each of so many processes; one alone is not pinned.

    Raises:
        ValueError: there are not so many cores, or they cannot be shared out.
    """
    if jobs < 1:
        raise ValueError(f"jobs must be above 0; got {jobs}.")
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
        runs: what to do.
        cores: of the processes at once, one entry each.
        start_run: starts its process.
        finished: called after each run.

    Raises:
        InputError: a run failed; those that were under way were stopped, and
            go on when they are started again.
        Preempted: on SIGTERM, likewise.
    """
    waiting = collections.deque(runs)
    processes: _Processes = {}
    # They need longer to save than a stop is else given.
    with preemption.held(lambda: None):
        try:
            while (waiting or processes) and not preemption.is_requested():
                for place in range(len(cores)):
                    if waiting and place not in processes:
                        run = waiting.popleft()
                        with _on(cores[place]):
                            processes[place] = run, start_run(run)
                time.sleep(_POLL_SECONDS)
                for run in _take_ended(processes):
                    finished(run)
        finally:
            _stop(processes)


def read(directory: pathlib.Path) -> Outcome:
    """What a finished run came to.

    Self-training leaves `results.json`, whose last student counts and whose
    generations all took time; training alone leaves `metrics.jsonl`.

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
            f"{run_directory.METRICS_FILE}; recipes to compare must have "
            "mode=train or mode=self_train."
        )
    return Outcome(
        top_1=100 * rows[-1]["top_1_accuracy"],
        seconds=sum(row["seconds"] for row in rows),
    )


@contextlib.contextmanager
def _on(cores: Cores) -> Iterator[None]:
    """Puts this thread, whose children start alike, on some cores."""
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
    """Takes out those that have ended, or complains of one that failed."""
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
    """Lets them save where they are."""
    for _, process in processes.values():
        process.terminate()
    for _, process in processes.values():
        process.wait()

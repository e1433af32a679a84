"""The runs of a study: main.py for each arm and seed."""

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

from noisy_student import preemption
from noisy_student.errors import InputError
from noisy_student.files import writing
from tools.studies.arms import Arm
from tools.studies.results import Record

ROOT = pathlib.Path(__file__).parents[2]
FLAGS_FILE = "flags.cfg"
_POLL_SECONDS = 0.1

# Cores that a process may use; None: all.
Cores = set[int] | None


@dataclasses.dataclass(frozen=True)
class Run:
    """One arm with one seed.

    Attributes:
        arm: what is run.
        seed: of everything that is drawn.
        study: the directory of the study's runs.
    """

    arm: Arm
    seed: int
    study: epath.Path

    def __str__(self) -> str:
        return f"{self.arm.name}, seed {self.seed}"

    @property
    def flag_file(self) -> epath.Path:
        """The flags of the arm, in a directory of these flags alone."""
        folder = f"{self.arm.name}-{self.arm.digest}"
        return self.study / folder / FLAGS_FILE

    @property
    def directory(self) -> epath.Path:
        """The run directory."""
        return self.flag_file.with_name(f"seed_{self.seed}")

    @property
    def log(self) -> epath.Path:
        """What main.py says; beside the run directory, which is its own."""
        return self.flag_file.with_name(f"seed_{self.seed}.log")

    @property
    def record(self) -> epath.Path:
        """What it came to; it is there once the run is finished."""
        return self.flag_file.with_name(f"seed_{self.seed}.json")


# The processes under way, by the place of their cores.
_Processes = dict[int, tuple[Run, subprocess.Popen]]


def start(run: Run) -> subprocess.Popen:
    """Starts a run, or resumes it."""
    text = "".join(f"{flag}\n" for flag in run.arm.flags)
    writing.write_text(run.flag_file, text)
    command = [sys.executable, "main.py"]
    command += [f"--flagfile={run.flag_file.absolute()}", *run.arm.places]
    command += [f"--model_dir={run.directory.absolute()}", f"--seed={run.seed}"]
    with writing.disk_errors(run.log, OSError), open(run.log, "a") as log:
        return subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT
        )


def load_record(run: Run) -> Record | None:
    """Reads what a run came to; None where it is not finished.

    Raises:
        InputError: the file is damaged.
    """
    if not run.record.exists():
        return None
    try:
        return Record.from_json(writing.read_json(run.record))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{run.record} is damaged ({type(error).__name__}: {error}). "
            "Remove it, and the same command makes it again."
        ) from error


def save_record(run: Run, record: Record) -> None:
    """Keeps what a run came to.

    Raises:
        InputError: it cannot be written, such as to a full disk.
    """
    writing.write_json(run.record, record.to_json())


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

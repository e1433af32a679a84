"""The processes of a study: main.py for one run or more at once."""

import collections
import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Self

from noisy_student import preemption
from noisy_student.errors import InputError
from noisy_student.files import writing
from tools.studies import locks, machine
from tools.studies.machine import Machine
from tools.studies.runs import Run

ROOT = pathlib.Path(__file__).parents[2]
_POLL_SECONDS = 0.1
_PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>
# The second is that of a process which has no handler yet.
_STOPPED = (preemption.EXIT_CODE, -signal.SIGTERM)

# Cores that a process may use; None: all.
Cores = set[int] | None
# The processes under way, by the place of their cores.
_Processes = dict[int, tuple[Run, subprocess.Popen]]


class Attempt(NamedTuple):
    """What is known of a run as soon as it is started.

    Attributes:
        machine: on which it runs, and by what program; it may have changed
            when the run has ended.
        log_start: how many bytes of its log are of earlier attempts.
    """

    machine: Machine
    log_start: int

    @classmethod
    def of(cls, run: Run, jobs: int) -> Self:
        """Describes a run that is now started, with so many at once."""
        size = os.path.getsize(run.log) if run.log.exists() else 0
        return cls(machine.describe(jobs), size)


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


def start(run: Run, own_flags: Sequence[str] = ()) -> subprocess.Popen | None:
    """Starts a run, or resumes it.

    Args:
        run: what is started.
        own_flags: for this run alone; they do not change its results.

    Returns:
        Its process, which keeps the log locked; None where another one does.

    Raises:
        InputError: the log or the flags cannot be written.
    """
    text = "".join(f"{flag}\n" for flag in run.arm.flags)
    writing.write_text(run.flag_file, text)
    command = [sys.executable, "main.py"]
    command += [f"--flagfile={run.flag_file.absolute()}", *run.arm.places]
    command += [f"--model_dir={run.directory.absolute()}", f"--seed={run.seed}"]
    command += own_flags
    with writing.disk_errors(run.log, OSError), open(run.log, "a") as log:
        if not locks.take(log):
            return None
        return subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=_ending_with_this_process(),
        )


def _ending_with_this_process() -> Callable[[], None] | None:
    """What a child does first so as not to outlive this one, if it is killed.

    The run would go on unseen, and keep the same command from going on. Only
    Linux can do this.
    """
    if sys.platform != "linux":
        return None
    # Looked up here, for a forked child had better not load anything.
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def end_with_parent() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it has ended since
            os._exit(1)

    return end_with_parent


def finish_all(
    runs: Sequence[Run],
    cores: Sequence[Cores],
    start_run: Callable[[Run], subprocess.Popen | None],
    ended: Callable[[Run, int], None],
) -> None:
    """Runs all in this order, some at once.

    Args:
        runs: what to run.
        cores: of the processes at once, one entry each.
        start_run: starts the process of a run; None where it needs none.
        ended: called after each run, with its exit code.

    Raises:
        Preempted: on SIGTERM; those that were under way were stopped, and go
            on when they are started again.
    """
    waiting = collections.deque(runs)
    processes: _Processes = {}
    # They may need longer to save than a stop otherwise waits.
    with preemption.held(lambda: None):
        try:
            while (waiting or processes) and not preemption.is_requested():
                for place in range(len(cores)):
                    while waiting and place not in processes:
                        run = waiting.popleft()
                        with _pinned_to(cores[place]):
                            process = start_run(run)
                        if process is not None:
                            processes[place] = run, process
                time.sleep(_POLL_SECONDS)
                _take_ended(processes, ended)
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


def _take_ended(
    processes: _Processes, ended: Callable[[Run, int], None]
) -> None:
    """Takes out what has ended; only then complains of what was stopped."""
    stopped = []
    for place, (run, process) in list(processes.items()):
        code = process.poll()
        if code is not None:
            del processes[place]
            if code in _STOPPED:
                stopped.append(run)
            else:
                ended(run, code)
    if stopped:
        raise preemption.Preempted(f"{stopped[0]} was stopped")


def check(run: Run, code: int, attempt: Attempt) -> None:
    """Says what is known of the end of a run that is not as it should be.

    Args:
        run: that has ended.
        code: its exit code; below 0, that of the signal which killed it.
        attempt: the one that has ended.

    Raises:
        InputError: it failed.
    """
    if code < 0:
        names = {each.value: each.name for each in signal.Signals}
        advice = ""
        if -code == signal.SIGKILL:
            advice = "; if memory was short, use fewer --jobs"
        raise InputError(
            f"main.py was killed by signal {-code} "
            f"({names.get(-code, 'unknown')}){advice} ({run.log})"
        )
    if code:
        written = run.log.read_bytes()[attempt.log_start :]
        lines = written.decode(errors="replace")
        *_, last = lines.strip().splitlines() or ["nothing was said"]
        said = last.removeprefix("error: ")
        raise InputError(f"main.py ended with code {code} ({run.log}): {said}")


def _stop(processes: _Processes) -> None:
    """Lets the runs under way save, and waits for their ends."""
    for _, process in processes.values():
        process.terminate()
    for _, process in processes.values():
        process.wait()

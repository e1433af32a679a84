"""Runs of main.py to interrupt, as one starts and restarts them.

Starts and watches processes; `traces.py` reads what they leave. What is done
to them, and what is asked of them then, is in `test_faults.py`.
"""

import contextlib
import dataclasses
import pathlib
import time
from collections.abc import Callable, Iterator, Mapping

from noisy_student.files import metrics_file
from tests import scripts
from tests.faults import traces

# Steps between checkpoints, and between logged losses: with both alike, a
# resumed run logs the means over the same steps as an uninterrupted one.
INTERVAL = 10

LIMIT_SECONDS = 300.0
_POLL_SECONDS = 0.001

_TINY = (
    "--mode=train",
    "--method=supervised",
    "--task_name=digits",
    "--input_image_size=8",
    "--model_name=tests.networks:heavy",
    "--train_batch_size=10",
    "--warmup_epochs=0",
    "--moving_average_decay=0.9",
    f"--save_checkpoints_steps={INTERVAL}",
    f"--iterations_per_loop={INTERVAL}",
)


class Process(scripts.Process):
    """One process of main.py.

    Args:
        arguments: of the command line.
        environment: variables beside this process's own.
    """

    def __init__(
        self,
        arguments: list[str],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.started = time.time()
        super().__init__("main.py", *arguments, **(environment or {}))

    def has_ended(self) -> bool:
        return self.poll() is not None

    def wait_until(self, condition: Callable[[], bool]) -> bool:
        """Looks all the time; returns False if the process ends before."""
        end = time.monotonic() + LIMIT_SECONDS
        while not condition():
            if self.has_ended():
                return False
            if time.monotonic() > end:
                self.kill()
                raise TimeoutError(f"Nothing came of it: {self.stderr()}")
            time.sleep(_POLL_SECONDS)
        return True

    def sleep(self, seconds: float) -> bool:
        """Waits so long; returns False if the process ends before."""
        end = time.monotonic() + seconds
        return self.wait_until(lambda: time.monotonic() >= end)

    def finish(self, limit: float = LIMIT_SECONDS) -> int | None:
        """Waits for the exit code; kills after the limit, and returns None."""
        code = self.poll(limit)
        self.kill()
        return code

    def stderr(self) -> str:
        return self.output("stderr")


@dataclasses.dataclass
class Life:
    """What one process found, and what it did.

    Attributes:
        newest: step of the whole checkpoint that it found, if any.
        first_logged: the first step whose loss it logged, if any.
        last_logged: the last one.
        code: its exit code.
        stderr: what it wrote there.
        killed: whether it lived until it was killed.
        half_saved: whether it then left a checkpoint without its index.
    """

    newest: int | None
    first_logged: int | None = None
    last_logged: int | None = None
    code: int | None = None
    stderr: str = ""
    killed: bool = False
    half_saved: bool = False

    def end(self, process: Process) -> None:
        """Waits for the process to end by itself."""
        self.code = process.finish()
        self.stderr = process.stderr()

    def goes_on(self) -> bool:
        """Whether it began at the checkpoint that it found."""
        start = self.newest or 0
        first = self.first_logged
        return first is None or start < first <= start + INTERVAL

    def is_fresh_start(self) -> bool:
        """Whether it took steps again that a checkpoint had kept."""
        found, first = self.newest, self.first_logged
        return found is not None and first is not None and first <= found


@dataclasses.dataclass(frozen=True)
class Run:
    """A command, which trains for some steps in a directory of its own."""

    directory: pathlib.Path
    num_steps: int
    arguments: tuple[str, ...] = ()

    def start(self, environment: Mapping[str, str] | None = None) -> Process:
        """Gives the command."""
        arguments = [
            *_TINY,
            f"--train_steps={self.num_steps}",
            f"--model_dir={self.directory}",
            *self.arguments,
        ]
        return Process(arguments, environment)

    def train(self) -> float:
        """Trains undisturbed; returns the seconds to the first checkpoint."""
        process = self.start()
        process.wait_until(lambda: traces.last_saved(self.directory) > 0)
        seconds = time.time() - process.started
        assert process.finish() == 0, process.stderr()
        return seconds

    def finish(self) -> Life:
        """Gives the command and waits for its end."""
        with self.life() as life:
            life.end(self.start())
        return life

    @contextlib.contextmanager
    def life(self) -> Iterator[Life]:
        """Yields what the processes that run inside find and log."""
        life = Life(traces.newest_whole(self.directory))
        before = set(traces.event_files(self.directory))
        yield life
        files = set(traces.event_files(self.directory)) - before
        steps = [step for file in files for step, _ in traces.losses(file)]
        life.first_logged = min(steps, default=None)
        life.last_logged = max(steps, default=None)

    def last_step(self) -> int | None:
        """Returns the step of the last evaluation."""
        lines = metrics_file.read(self.directory)
        return lines[-1]["step"] if lines else None

    def curve(self) -> traces.Curve:
        """All losses that were logged, some steps perhaps several times."""
        files = traces.event_files(self.directory)
        return [point for file in files for point in traces.losses(file)]


def check_went_on(life: Life) -> None:
    """Asserts that a process resumed from the checkpoint that it found."""
    assert life.code == 0, life.stderr
    assert life.newest is not None and life.first_logged is not None, life
    assert life.goes_on(), life


def check_same_end(run: Run, whole: Run) -> None:
    """Asserts that step count and final weights are those of another run."""
    assert run.last_step() == whole.num_steps
    assert traces.same_weights(run.directory, whole.directory)


def error_line(stderr: str) -> str | None:
    """Returns the one line that tells of an error; None if not just one."""
    errors = [line for line in stderr.splitlines() if line.startswith("error:")]
    if len(errors) != 1 or "Traceback" in stderr:
        return None
    return errors[0]

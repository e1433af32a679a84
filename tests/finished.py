"""One finished self-training that tests of several files look at."""

import dataclasses
import fcntl
import pathlib
import pickle
import subprocess

import pytest

from tests.scripts import TINY, run


@dataclasses.dataclass(frozen=True)
class Finished:
    """A run of `TINY`; whoever would change it takes a copy.

    Attributes:
        directory: Its run directory.
        process: What the command came to and printed.
    """

    directory: pathlib.Path
    process: subprocess.CompletedProcess

    def copy(self, to: pathlib.Path) -> pathlib.Path:
        """Copies the run directory, with its files' times."""
        subprocess.run(["cp", "-a", self.directory, to], check=True)
        return to


def finished_run(factory: pytest.TempPathFactory, worker: str) -> Finished:
    """Trains once for all processes of tests; the others wait.

    Args:
        factory: Knows the directory of these processes.
        worker: What pytest-xdist calls this one; "master" if it is alone.
    """
    base = factory.getbasetemp()
    shared = base if worker == "master" else base.parent
    directory, printed = shared / "tiny", shared / "tiny.pickle"
    with open(shared / "tiny.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not printed.exists():
            process = run(*TINY, f"--model_dir={directory}")
            assert process.returncode == 0, process.stderr
            printed.write_bytes(pickle.dumps(process))
    return Finished(directory, pickle.loads(printed.read_bytes()))

"""How scripts end."""

import subprocess
import sys

from noisy_student import preemption
from tests.scripts import ROOT

_LOSES_A_WORKER = """
import atexit, sys
from absl import flags
from flags import entry
from noisy_student.errors import WorkerLostError

class Training:
    def validate(self):
        print("begun")

    def run(self):
        raise WorkerLostError("Worker 1 has gone.")

atexit.register(lambda: print("Exception ignored in: Pool", file=sys.stderr))
flags.FLAGS(["main.py", *sys.argv[1:]])
entry.run_stage(["main.py"], Training)
"""


def test_a_lost_workers_line_is_the_last_one():
    done = _run()
    assert done.returncode == preemption.EXIT_CODE
    assert done.stdout == "begun\n"
    assert done.stderr == "error: Worker 1 has gone.\n"


def test_debug_shows_where_it_was_lost():
    done = _run("--debug")
    assert "in run" in done.stderr and "WorkerLostError" in done.stderr


def _run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", _LOSES_A_WORKER, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

import os
import subprocess
import sys

import pytest
from etils import epath

from noisy_student.errors import InputError
from noisy_student.files import lock
from tests.scripts import ROOT

HOLDER = """
import pathlib, sys
from noisy_student.files import lock
lock.acquire(pathlib.Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_run_is_refused_and_names_the_first(holder, tmp_path):
    message = rf"in use by another run, process {holder.pid} on .*, started 20"
    with pytest.raises(InputError, match=message):
        lock.acquire(tmp_path)


def test_a_killed_run_releases_its_lock(holder, tmp_path):
    holder.kill()
    holder.wait()
    lock.acquire(tmp_path)
    assert f'"process": {os.getpid()},' in (tmp_path / "lock").read_text()
    lock.acquire(tmp_path)  # this process has it already


def test_buckets_are_not_locked_and_that_is_said(warnings):
    for _ in range(2):
        lock.acquire(epath.Path("gs://bucket/run"))
    assert warnings == [
        "gs://bucket/run cannot be locked: see that no other run is in it."
    ]

"""The script as users run it: killed, and on a full disk."""

import pathlib
import resource
import signal
import subprocess
import sys
import time

import pytest

from noisy_student.make_records import shards
from tests.data.directories import encode, photo, write_folders
from tests.scripts import ROOT, error_of

FOLDERS = {"train/ant": 9, "train/bee": 9, "test/ant": 2, "test/bee": 3}


@pytest.fixture
def photos(tmp_path):
    write_folders(tmp_path / "photos", FOLDERS)
    return tmp_path / "photos"


def children(number):
    path = pathlib.Path(f"/proc/{number}/task/{number}/children")
    return [int(child) for child in path.read_text().split()]


def is_running(number):
    try:
        status = pathlib.Path(f"/proc/{number}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rsplit(")", 1)[1].split()[0] != "Z"


def command(photos, output, num_shards, num_workers):
    return [
        sys.executable,
        "tools/make_records.py",
        f"--input_dir={photos}",
        f"--output_dir={output}",
        f"--num_shards={num_shards}",
        f"--num_workers={num_workers}",
    ]


def run(*arguments, **options):
    return subprocess.run(
        command(*arguments),
        cwd=ROOT,
        capture_output=True,
        text=True,
        **options,
    )


def contents(directory):
    """The finished files, less the one that says in which order."""
    return {
        path.name: path.read_bytes()
        for path in directory.iterdir()
        if not path.name.startswith("tmp.") and path.name != shards.STATE_FILE
    }


def test_nothing_is_said_beside_the_progress(tmp_path, photos):
    """TensorFlow starts in each of the processes, with notes of its own."""
    done = run(photos, tmp_path / "out", 2, 2)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1].startswith("make out: 100%")
    assert "cuda" not in done.stderr.lower()


@pytest.mark.slow
def test_killed_it_goes_on_and_ends_the_same(tmp_path, photos):
    (photos / "unlabelled").mkdir()
    for i in range(300):  # that it takes a moment
        encoded = encode(photo(i, (400, 300)))
        (photos / "unlabelled" / f"{i}.jpg").write_bytes(encoded)
    whole, out = tmp_path / "whole", tmp_path / "out"
    done = run(photos, whole, 50, 1)
    assert done.returncode == 0, done.stderr
    process = subprocess.Popen(
        command(photos, out, 50, 2), cwd=ROOT, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 400
    while not list(out.glob("*-of-*")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    workers = children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 60
    while any(map(is_running, workers)):  # they end too
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert len(workers) >= 2 and not (out / "counts.json").exists()
    done = run(photos, out, 50, 2)
    assert done.returncode == 0, done.stderr
    assert f"{out}: 323 images." in done.stdout
    assert contents(out) == contents(whole)


@pytest.mark.slow
def test_a_full_disk_leaves_no_half_file(tmp_path, photos):
    out = tmp_path / "out"

    def limit():  # of the file size, which does what a full disk does
        resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))

    done = run(photos, out, 1, 1, preexec_fn=limit)
    message = f"{out}/train-00000-of-00001 cannot be written"
    assert message in error_of(done)
    assert not (out / "train-00000-of-00001").exists()

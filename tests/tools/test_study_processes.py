"""main.py for the runs of a study: some at once, and stopped together."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from noisy_student import preemption
from noisy_student.errors import InputError
from tools.studies import locks, processes
from tools.studies.arms import Arm
from tools.studies.processes import Attempt
from tools.studies.runs import Run


def runs_in(folder, names, seeds):
    return [
        Run(Arm(name, (f"--method={name}",)), seed, folder)
        for seed in seeds
        for name in names
    ]


def child(code):
    return subprocess.Popen([sys.executable, "-c", code])


def test_a_run_is_its_arm_with_its_seed(tmp_path, monkeypatch):
    """A main.py that says what it was told."""
    monkeypatch.setattr(processes, "ROOT", tmp_path)
    (tmp_path / "main.py").write_text("import sys; print(sys.argv[1:])")
    arm = Arm("pi_model", ("--mode=train", "--seeds"), ("--tfds_data_dir=d",))
    one = Run(arm, 7, tmp_path / "runs")
    for _ in range(2):
        assert processes.start(one).wait() == 0
    digest = hashlib.sha256(b"--mode=train\n--seeds").hexdigest()[:8]
    folder = tmp_path / f"runs/pi_model-{digest}"
    arguments = [
        f"--flagfile={folder}/flags.cfg",
        "--tfds_data_dir=d",
        f"--model_dir={folder}/seed_7",
        "--seed=7",
    ]
    assert (folder / "flags.cfg").read_text() == "--mode=train\n--seeds\n"
    assert (folder / "seed_7.log").read_text() == f"{arguments}\n" * 2
    assert not one.directory.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone can do this")
def test_a_run_does_not_outlive_a_study_that_is_killed(tmp_path):
    """Its lock goes with it, so that the same command can go on."""
    (run,) = runs_in(tmp_path, ["supervised"], [0])
    (tmp_path / "main.py").write_text(
        "import os, time; print(os.getpid(), flush=True); time.sleep(300)"
    )
    code = (
        "import pathlib\n"
        "from tools.studies import processes, runs\n"
        "from tools.studies.arms import Arm\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        "processes.ROOT = folder\n"
        "arm = Arm('supervised', ('--method=supervised',))\n"
        "processes.start(runs.Run(arm, 0, folder)).wait()"
    )
    study = child(code)
    try:
        wait_until(lambda: run.log.exists() and run.log.read_text().strip())
        assert locks.is_taken(run.log)
        os.kill(study.pid, signal.SIGKILL)
        study.wait()
        wait_until(lambda: not locks.is_taken(run.log))
    finally:
        study.kill()
        if locks.is_taken(run.log):
            os.kill(int(run.log.read_text()), signal.SIGKILL)


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_two_jobs_have_cores_of_their_own(tmp_path, monkeypatch):
    pinned, at_once, under_way = [], [], set()

    class Process:
        """Has ended when it is asked for the third time."""

        def __init__(self, one):
            pinned.append(os.sched_getaffinity(0))
            under_way.add(one)
            at_once.append(len(under_way))
            self.one, self.polls = one, 0

        def poll(self):
            self.polls += 1
            if self.polls < 3:
                return None
            under_way.discard(self.one)
            return 0

    cores = os.sched_getaffinity(0)
    first, last = {min(cores)}, {max(cores)}
    runs = runs_in(tmp_path, ["supervised", "pi_model"], [0, 1])
    ended = []
    processes.finish_all(
        runs, [first, last], Process, lambda *found: ended.append(found)
    )
    assert pinned == [first, last, first, last] and max(at_once) == 2
    assert ended == [(run, 0) for run in runs]
    assert os.sched_getaffinity(0) == cores


def test_cores_are_shared_out(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 6, 8, 9})
    assert processes.share_cores(1) == [None]
    assert processes.share_cores(2) == [{3, 6, 9}, {5, 8}]
    with pytest.raises(ValueError, match="cores, 5; got 6"):
        processes.share_cores(6)
    monkeypatch.delattr(os, "sched_setaffinity")
    with pytest.raises(ValueError, match="Linux"):
        processes.share_cores(2)


def test_a_failure_leaves_the_others_alone(tmp_path):
    runs = runs_in(tmp_path, ["supervised", "pi_model", "mean_teacher"], [7])
    codes = dict(zip(runs, (0, 3, 0), strict=True))
    ended = {}
    processes.finish_all(
        runs,
        [None] * 2,
        lambda one: child(f"raise SystemExit({codes[one]})"),
        ended.__setitem__,
    )
    assert ended == codes


@pytest.mark.parametrize(
    ("code", "written", "message"),
    [
        (2, b"one\nerror: two", r"code 2 \(.*seed_7\.log\): two$"),
        (3, b"caf\xe9 full\n\n", r"code 3 \(.*seed_7\.log\): caf\ufffd full$"),
        (1, b"", r"code 1 \(.*seed_7\.log\): nothing was said$"),
        (
            -9,
            b"started",
            r"by signal 9 \(SIGKILL\); if memory was short, use fewer --jobs "
            r"\(.*seed_7\.log\)$",
        ),
        (-11, b"started", r"by signal 11 \(SIGSEGV\) \(.*seed_7\.log\)$"),
        (-40, b"", r"by signal 40 \(unknown\)"),
    ],
)
def test_a_failure_tells_what_this_attempt_said(
    code, written, message, tmp_path
):
    (run,) = runs_in(tmp_path, ["pi_model"], [7])
    earlier = b"error: of yesterday\n"
    run.log.parent.mkdir(parents=True)
    run.log.write_bytes(earlier)
    attempt = Attempt.of(run, jobs=1)
    run.log.write_bytes(earlier + written)
    with pytest.raises(InputError, match=message):
        processes.check(run, code, attempt)
    processes.check(run, 0, attempt)


@pytest.mark.parametrize("codes", [(75, 0), (0, -signal.SIGTERM)])
def test_what_has_ended_is_kept_though_another_was_stopped(codes, tmp_path):
    """Both by the same look, whichever comes first."""
    runs = runs_in(tmp_path, ["supervised", "pi_model"], [0])
    ended = []

    class Process:
        def __init__(self, one):
            self.code = codes[runs.index(one)]

        def poll(self):
            return self.code

    with pytest.raises(preemption.Preempted):
        processes.finish_all(
            runs, [None] * 2, Process, lambda *found: ended.append(found)
        )
    assert ended == [(runs[codes.index(0)], 0)]


def test_sigterm_waits_for_what_was_under_way(tmp_path, monkeypatch):
    # As where saving takes longer than a process is given to stop.
    monkeypatch.setattr(preemption, "_GRACE_SECONDS", 0.1)
    exits = []
    monkeypatch.setattr(os, "_exit", exits.append)
    (one,) = runs_in(tmp_path, ["supervised"], [0])
    saved = tmp_path / "saved"
    code = (
        "import pathlib, signal, sys, time\n"
        "def save(*_):\n"
        "    time.sleep(1)\n"
        f"    pathlib.Path({str(saved)!r}).touch()\n"
        "    sys.exit(75)\n"
        "signal.signal(signal.SIGTERM, save)\n"
        f"pathlib.Path({str(tmp_path / 'ready')!r}).touch()\n"
        "time.sleep(60)"
    )

    def stop():
        while not (tmp_path / "ready").exists():
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    def start(_):
        threading.Thread(target=stop, daemon=True).start()
        return child(code)

    with pytest.raises(preemption.Preempted), preemption.watched():
        processes.finish_all([one], [None], start, pytest.fail)
    assert saved.exists() and not exits


def test_a_run_that_was_stopped_is_no_error(tmp_path):
    (one,) = runs_in(tmp_path, ["supervised"], [0])
    with pytest.raises(preemption.Preempted) as caught:
        processes.finish_all(
            [one],
            [None],
            lambda _: child("raise SystemExit(75)"),
            pytest.fail,
        )
    assert caught.value.message.startswith("supervised, seed 0 was stopped;")

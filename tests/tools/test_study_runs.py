"""Runs to compare: some at once, stopped together, and what they left."""

import json
import os
import signal
import subprocess
import sys
import threading

import pytest
from PIL import Image

from noisy_student import preemption
from noisy_student.errors import InputError
from tools import study
from tools.studies import runs as study_runs
from tools.studies.figures import Outcome


def runs_in(folder, arms, seeds):
    return [
        study_runs.Run(arm, seed, folder, folder / arm / f"seed_{seed}")
        for seed in seeds
        for arm in arms
    ]


def leave_training(directory, top_1, seconds):
    directory.mkdir(parents=True)
    lines = [(5, 0.01, 1.0), (10, top_1, seconds)]
    (directory / "metrics.jsonl").write_text(
        "".join(
            json.dumps({"step": a, "top_1_accuracy": b, "seconds": c}) + "\n"
            for a, b, c in lines
        )
    )


def leave_self_training(directory, *generations):
    # The teacher's own lines are not where a run's result is looked for.
    leave_training(directory / "generation_00", 0.99, 999)
    rows = [{"top_1_accuracy": a, "seconds": b} for a, b in generations]
    (directory / "results.json").write_text(json.dumps({"generations": rows}))


def child(code):
    return subprocess.Popen([sys.executable, "-c", code])


def test_results_of_both_kinds_of_runs_are_read(tmp_path):
    leave_training(tmp_path / "a", 0.875, 12.5)
    assert study_runs.read(tmp_path / "a") == Outcome((87.5,), 12.5)
    leave_self_training(tmp_path / "b", (0.8, 10.0), (0.925, 20.5))
    assert study_runs.read(tmp_path / "b") == Outcome((80.0, 92.5), 30.5)
    with pytest.raises(InputError, match=r"neither results\.json nor metr"):
        study_runs.read(tmp_path)


def test_finished_runs_are_compared(tmp_path, capsys):
    runs = runs_in(tmp_path, ["supervised", "noisy_student"], [3, 1])
    for i, one in enumerate(runs[::2]):
        leave_training(one.directory, 0.8 + i / 100, 10)
    for i, one in enumerate(runs[1::2]):
        leave_self_training(one.directory, (0.7, 5), (0.9 + i / 50, 15))
    started = []

    def start(one):
        started.append(one)
        return child("")

    outcomes = study.run_all(runs, [None], start)
    assert started == runs
    lines = capsys.readouterr().err.split("\n")
    assert lines[0] == "  1 of 4: supervised, seed 3, 80.00 %, 10 s"
    assert lines[3] == "  4 of 4: noisy_student, seed 1, 70.00 -> 92.00 %, 20 s"

    study.conclude(tmp_path, {"flags": [], "seeds": [3, 1]}, outcomes)
    *table, last = capsys.readouterr().out.strip().split("\n")
    assert len(table) == 3
    expected = {
        "supervised": {
            "mean": 80.5,
            "std": 0.707,
            "gain": None,
            "standard_error": None,
            "teacher": None,
            "teacher_std": None,
            "student_gain": None,
            "student_gain_std": None,
            "seconds": 10,
        },
        "noisy_student": {
            "mean": 91,
            "std": 1.414,
            "gain": 10.5,
            "standard_error": 0.5,
            "teacher": 70,
            "teacher_std": 0,
            "student_gain": 21,
            "student_gain_std": 1.414,
            "seconds": 20,
        },
        "all_beat_baseline": True,
    }
    assert json.loads(last) == expected
    written = json.loads((tmp_path / "study.json").read_text())
    assert written["seeds"] == [3, 1] and written["baseline"] == "supervised"
    assert written["all_beat_baseline"] is True
    assert written["arms"]["noisy_student"]["top_1"] == [[70, 90], [70, 92]]
    assert written["arms"]["supervised"]["run_seconds"] == [10, 10]
    with Image.open(tmp_path / "study.png") as image:
        assert image.format == "PNG"
    assert not list(tmp_path.glob("tmp.*"))


def test_a_run_is_its_recipe_with_its_seed(tmp_path, monkeypatch):
    """A main.py that says what it was told."""
    monkeypatch.setattr(study_runs, "ROOT", tmp_path)
    (tmp_path / "main.py").write_text("import sys; print(sys.argv[1:])")
    one = study_runs.Run("pi_model", 7, tmp_path / "a.cfg", tmp_path / "b/c")
    for _ in range(2):
        assert study_runs.start(one, ["--train_steps=3"]).wait() == 0
    arguments = [
        f"--flagfile={tmp_path}/a.cfg",
        f"--model_dir={tmp_path}/b/c",
        "--seed=7",
        "--train_steps=3",
    ]
    assert (tmp_path / "b/c.log").read_text() == f"{arguments}\n" * 2
    assert not one.directory.exists()


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
    finished = []
    study_runs.finish_all(runs, [first, last], Process, finished.append)
    assert pinned == [first, last, first, last] and max(at_once) == 2
    assert finished == runs
    assert os.sched_getaffinity(0) == cores


def test_cores_are_shared_out(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 6, 8, 9})
    assert study_runs.share_cores(1) == [None]
    assert study_runs.share_cores(2) == [{3, 6, 9}, {5, 8}]
    with pytest.raises(ValueError, match="cores, 5; got 6"):
        study_runs.share_cores(6)
    monkeypatch.delattr(os, "sched_setaffinity")
    with pytest.raises(ValueError, match="Linux"):
        study_runs.share_cores(2)


def test_a_failure_stops_the_others_and_tells_what_was_said(tmp_path):
    runs = runs_in(tmp_path, ["supervised", "pi_model", "mean_teacher"], [7])
    runs[1].log.parent.mkdir(parents=True)
    runs[1].log.write_text("first\nerror: no such images\n")
    processes = []

    def start(one):
        codes = ["import time; time.sleep(60)", "raise SystemExit(3)"]
        processes.append(child(codes[len(processes)]))
        return processes[-1]

    message = r"pi_model, seed 7: .* code 3 \(.*seed_7.log\): no such images$"
    with pytest.raises(InputError, match=message):
        study_runs.finish_all(runs, [None] * 2, start, pytest.fail)
    assert [process.returncode for process in processes] == [-15, 3]


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
        study_runs.finish_all([one], [None], start, pytest.fail)
    assert saved.exists() and not exits


def test_a_run_that_was_stopped_is_no_error(tmp_path):
    (one,) = runs_in(tmp_path, ["supervised"], [0])
    with pytest.raises(preemption.Preempted) as caught:
        study_runs.finish_all(
            [one],
            [None],
            lambda _: child("raise SystemExit(75)"),
            pytest.fail,
        )
    assert caught.value.message.startswith("supervised, seed 0 was stopped;")

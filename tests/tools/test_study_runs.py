"""Runs to compare: some at once, stopped together, and what they left."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from noisy_student import preemption
from noisy_student.errors import InputError
from tests.tools.studied import leave_training, record
from tools.studies import outcomes
from tools.studies import runs as study_runs
from tools.studies.arms import Arm
from tools.studies.outcomes import Generation, Outcome


def runs_in(folder, names, seeds):
    return [
        study_runs.Run(Arm(name, (f"--method={name}",)), seed, folder)
        for seed in seeds
        for name in names
    ]


def child(code):
    return subprocess.Popen([sys.executable, "-c", code])


def test_results_of_training_are_read(tmp_path):
    leave_training(tmp_path / "a", 0.875, 12.5)
    found = outcomes.read(tmp_path / "a")
    assert found == Outcome((Generation({"top_1_accuracy": 0.875}, 12.5),))
    assert (found.top_1, found.seconds) == (87.5, 12.5)
    with pytest.raises(InputError, match=r"neither results\.json nor metr"):
        outcomes.read(tmp_path)


def test_results_of_self_training_are_read(tmp_path):
    # The teacher's own lines are not where a run's result is looked for.
    leave_training(tmp_path / "generation_00", 0.99, 999)
    measured = {"top_1_accuracy": 0.9, "pgd_4_accuracy": 0.25}
    others = {"generation": 1, "num_images": 7, "validation": None}
    student = {"pseudo_labels": {"kept": 2, "accuracy": 0.5}, "seconds": 20.5}
    teacher = {"top_1_accuracy": 0.8, "seconds": 10.0, "pseudo_labels": None}
    rows = [teacher, measured | others | student]
    text = json.dumps({"generations": rows})
    (tmp_path / "results.json").write_text(text)
    assert outcomes.read(tmp_path) == Outcome(
        (
            Generation({"top_1_accuracy": 0.8}, 10.0),
            Generation(measured, 20.5, label_accuracy=0.5),
        )
    )


def test_the_model_of_a_run_is_the_one_that_was_chosen(tmp_path):
    """By validation images; results of before that key have the last."""
    rows = [{"top_1_accuracy": a, "seconds": 1.0} for a in (0.8, 0.9, 0.85)]
    for more, top_1 in (({"chosen_generation": 1}, 90), ({}, 85)):
        text = json.dumps({"generations": rows} | more)
        (tmp_path / "results.json").write_text(text)
        assert outcomes.read(tmp_path).top_1 == pytest.approx(top_1)


def test_what_a_real_run_leaves_is_read(finished):
    """As its own table has it."""
    found = outcomes.read(finished.directory)
    table = finished.process.stdout.split("\n")
    assert found.chosen == 1
    for row, line in zip(found.generations, table[1:3], strict=True):
        assert {*row.scores} == {"top_1_accuracy", "top_5_accuracy"}
        assert f" {row.top_1:.2f} % " in line
        assert float(line.split()[-1]) == round(row.seconds)
    assert found.generations[0].label_accuracy is None
    label_accuracy = 100 * found.generations[1].label_accuracy
    assert f" {label_accuracy:.2f} % " in table[2]


def test_records_are_read_as_they_were_written(tmp_path):
    (one,) = runs_in(tmp_path, ["pi_model"], [3])
    assert study_runs.load_record(one) is None
    for chosen in (None, 0):
        kept = record(70, 80, labels=0.5, chosen=chosen, pgd_4_accuracy=0.1)
        study_runs.save_record(one, kept)
        assert study_runs.load_record(one) == kept
    one.record.write_text('{"generations": []}')
    with pytest.raises(InputError, match=r"seed_3\.json is damaged"):
        study_runs.load_record(one)


def test_a_run_is_its_arm_with_its_seed(tmp_path, monkeypatch):
    """A main.py that says what it was told."""
    monkeypatch.setattr(study_runs, "ROOT", tmp_path)
    (tmp_path / "main.py").write_text("import sys; print(sys.argv[1:])")
    arm = Arm("pi_model", ("--mode=train", "--seeds"), ("--tfds_data_dir=d",))
    one = study_runs.Run(arm, 7, tmp_path / "runs")
    for _ in range(2):
        assert study_runs.start(one).wait() == 0
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

"""A real study, killed in the middle, goes on as if nothing had been."""

import json
import time

import pytest

from tests.scripts import Process, python
from tests.tools.studied import write_study

BASE = """# Does a student of ten steps know more?
--mode=train
--task_name=digits
--input_image_size=8
--model_name=tests.networks:tiny
--train_batch_size=10
--train_steps=10
--warmup_epochs=0
--moving_average_decay=0.5
--save_checkpoints_steps=2
--iterations_per_loop=2
"""
LOOP = """--mode=self_train
--num_iterations=1
--unlabel_ratio=2
--teacher_softmax_temp=1
--num_image=20
--min_threshold=0
"""


@pytest.fixture
def arguments(tmp_path):
    folder = write_study(tmp_path / "toy", "--base_name=alone\n", loop=LOOP)
    (folder / "base.cfg").write_text(BASE)
    return [f"--study={folder}", "--seeds=3", "--jobs=1"]


def top_1(path):
    arms = json.loads(path.read_text())["arms"]
    return {
        (name, seed): [row["scores"] for row in run["generations"]]
        for name, arm in arms.items()
        for seed, run in arm["runs"].items()
    }


def study(*arguments):
    done = python("-m", "tools.study", *arguments)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.slow
def test_killed_in_the_middle_it_ends_the_same(arguments, tmp_path):
    killed, whole = (tmp_path / name / "toy" for name in ("killed", "whole"))
    at = f"--runs_dir={killed.parent}"
    process = Process("-m", "tools.study", *arguments, at)
    deadline = time.monotonic() + 480
    mark = "loop-*/seed_3/generation_01/checkpoints/*.index"
    try:
        while not list(killed.glob(mark)):
            assert process.poll(0.02) is None, process.output("stderr")
            assert time.monotonic() < deadline
    finally:
        process.kill()
    # What was finished is in the results by then.
    assert [*top_1(killed / "toy.json")] == [("base", "3")]
    logs = {path: path.read_text() for path in killed.glob("*/seed_3.log")}

    done = study(*arguments, at)
    lines = done.stderr.strip().split("\n")
    assert lines[0] == "1 of 2 runs are finished already."
    assert lines[1].startswith("2 of 2: loop, seed 3, ") and not lines[2:]
    for path, before in logs.items():
        more = path.read_text().removeprefix(before)
        assert bool(more) == path.parent.name.startswith("loop-")
        assert "train teacher" not in more  # a finished stage

    study(*arguments, f"--runs_dir={whole.parent}")
    assert top_1(killed / "toy.json") == top_1(whole / "toy.json")
    shown = python("-m", "tools.study", f"--results={killed / 'toy.json'}")
    assert shown.stdout == done.stdout
    again = study(*arguments, at)
    assert again.stdout == done.stdout
    assert "2 of 2 runs are finished already" in again.stderr

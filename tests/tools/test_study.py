"""The study: what is run, and what is not run again."""

import dataclasses
import json
import os
import shutil
import subprocess

import pytest

from noisy_student.errors import InputError
from tests.scripts import ROOT
from tests.tools import studied
from tests.tools.studied import MACHINE, Started, run_study, write_study
from tools.studies import machine, processes

LOOP = "--mode=self_train\n--unlabel_ratio=3\n"


@pytest.fixture
def toy(tmp_path):
    """A study of three arms; b has other flags than a."""
    return write_study(
        tmp_path / "toy",
        b="# Longer.\n--train_steps=50\n",
        a="--train_steps=20\n--method=pi_model\n",
    )


@pytest.fixture
def started(monkeypatch):
    return Started(monkeypatch)


@pytest.fixture
def call(toy, tmp_path):
    """Runs the study, with seed 1 unless something else is said."""

    def run(*arguments):
        at = [f"--study={toy}", f"--runs_dir={tmp_path}/runs", "--seeds=1"]
        run_study(*at, *arguments)

    return run


def read_results(path):
    """Top-1 in %, by arm and seed."""
    return {
        arm: {
            seed: [100 * row["scores"]["top_1_accuracy"] for row in rows]
            for seed, run in found["runs"].items()
            for rows in [run["generations"]]
        }
        for arm, found in json.loads(path.read_text())["arms"].items()
    }


def test_every_arm_runs_once_with_every_seed(call, started, tmp_path, capsys):
    call("--seeds=4,2", "--noremat")
    order = [(arm, seed) for seed in (4, 2) for arm in ("base", "a", "b")]
    assert started.take() == order
    out, err = capsys.readouterr()
    assert err.split("\n")[0] == "1 of 6: base, seed 4, 11.00 %, 10 s"
    assert err.count("\n") == 6
    assert read_results(tmp_path / "runs/toy/toy.json") == {
        "base": {"2": [pytest.approx(9)], "4": [pytest.approx(11)]},
        "a": {"2": [pytest.approx(22)], "4": [pytest.approx(24)]},
        "b": {"2": [pytest.approx(52)], "4": [pytest.approx(54)]},
    }
    last = json.loads(out.strip().split("\n")[-1])
    assert last["b"]["over_base"]["mean"] == 43
    assert (tmp_path / "runs/toy/toy.svg").read_text().startswith("<svg")
    call("--seeds=2,4", "--noremat")
    assert not started.take()
    assert capsys.readouterr() == (out, "6 of 6 runs are finished already.\n")


def test_flags_come_in_order(call, started, toy):
    """Of base.cfg, of the arm, and of the command line."""
    call("--seeds=0", "--train_batch_size=9", "--method=supervised")
    base, arm, _ = started.runs
    # In the order of their names, each once.
    assert base.arm.flags == (
        "--method=supervised",
        "--mode=train",
        "--train_batch_size=9",
        "--train_steps=7",
    )
    assert arm.arm.flags == (*base.arm.flags[:3], "--train_steps=20")
    text = arm.flag_file.read_text() if arm.flag_file.exists() else ""
    assert text == ""  # runs.start writes it
    assert arm.directory.parent.name == f"a-{arm.arm.digest}"


def test_what_makes_no_difference_repeats_nothing(call, started, toy):
    """Comments, blank lines, order, forms of numbers, and places of data."""
    call()
    started.take()
    (toy / "base.cfg").write_text(
        "--train_steps=3\n\n// Another one.\n--train_steps=07\n--mode=train\n"
    )
    call("--tfds_data_dir=elsewhere")
    assert not started.take()


def test_places_of_data_reach_the_runs(call, started):
    call("--tfds_data_dir=here")
    for run in started.runs:
        assert run.arm.places == ("--tfds_data_dir=here",)
        assert not any("here" in flag for flag in run.arm.flags)


@pytest.mark.parametrize(
    ("name", "arms"), [("a", ["a"]), ("base", ["base", "a", "b"])]
)
def test_a_changed_file_makes_new_runs(
    name, arms, call, started, toy, tmp_path, capsys
):
    call()
    started.take()
    before = read_results(tmp_path / "runs/toy/toy.json")
    text = (toy / f"{name}.cfg").read_text()
    (toy / f"{name}.cfg").write_text(f"{text}--weight_decay=0.5\n")
    capsys.readouterr()
    call()
    assert started.take() == [(arm, 1) for arm in arms]
    lines = capsys.readouterr().err.split("\n")
    for arm, line in zip(arms, lines, strict=False):
        assert line == (
            f"{tmp_path}/runs/toy/toy.json: results of 1 run of {arm} are "
            "dropped, whose flags have changed (--weight_decay=0.5)."
        )
    folders = {path.name for path in tmp_path.glob("runs/toy/*-*")}
    assert len(folders) == 3 + len(arms)
    assert read_results(tmp_path / "runs/toy/toy.json") == before
    # The earlier runs are still there.
    (toy / f"{name}.cfg").write_text(text)
    call()
    assert not started.take()


def test_a_flag_of_the_command_line_makes_new_runs(call, started):
    call()
    started.take()
    call("--weight_decay=0.5")
    assert len(started.take()) == 3
    call()
    assert not started.take()


def test_seeds_and_arms_are_added(call, started, toy, tmp_path, capsys):
    call("--seeds=1,2", "--only_arms=b")
    assert started.take() == [("b", 1), ("b", 2)]
    out = capsys.readouterr().out
    assert "Not run: base (seed 1, 2), a (seed 1, 2).\n" in out
    call("--seeds=2", "--only_arms=base")
    assert started.take() == [("base", 2)]
    out = capsys.readouterr().out
    assert "Not run: base (seed 1), a (seed 1, 2).\n" in out
    table = json.loads(out.strip().split("\n")[-1])
    assert table["b"]["over_base"] == {"mean": 43, "low": None, "high": None}
    (toy / "c.cfg").write_text("--train_steps=60\n")
    call("--seeds=2,3")
    left = [("a", 2), ("c", 2)]
    left += [(arm, 3) for arm in ("base", "a", "b", "c")]
    assert started.take() == left
    found = read_results(tmp_path / "runs/toy/toy.json")
    assert {arm: [*seeds] for arm, seeds in found.items()} == {
        "base": ["2", "3"],
        "a": ["2", "3"],
        "b": ["1", "2", "3"],
        "c": ["2", "3"],
    }


def test_an_arm_that_is_gone_is_dropped(call, started, toy, tmp_path, capsys):
    call()
    (toy / "a.cfg").unlink()
    call()
    assert "of a are dropped, which is no arm" in capsys.readouterr().err
    assert [*read_results(tmp_path / "runs/toy/toy.json")] == ["base", "b"]


def test_results_alone_show_what_the_run_showed(
    call, started, tmp_path, capsys, monkeypatch
):
    call("--seeds=0,1", "--base_name=supervised", "--generations=0")
    printed = capsys.readouterr().out
    assert "over supervised" in printed
    copy = tmp_path / "elsewhere.json"
    (tmp_path / "runs/toy/toy.json").rename(copy)
    monkeypatch.chdir("/")
    run_study(f"--results={copy}")
    assert capsys.readouterr().out == printed


def test_results_of_elsewhere_are_added_to(call, started, tmp_path, capsys):
    """As where a file comes with the project: its runs need not be here."""
    at = f"--results_dir={tmp_path}/docs"
    call(at)
    path = tmp_path / "docs/toy.json"
    there = path.read_text().replace(machine.describe(1).processor, "Theirs")
    path.write_text(there)
    (tmp_path / "runs").rename(tmp_path / "gone")
    started.take()
    call(at, "--seeds=1,2")
    assert started.take() == [("base", 2), ("a", 2), ("b", 2)]
    *_, theirs, ours, _ = capsys.readouterr().out.strip().split("\n")
    made = "3 runs, base (seed {0}), a (seed {0}), b (seed {0}): "
    assert theirs.startswith(made.format(1)) and "Theirs" in theirs
    assert ours.startswith(made.format(2)) and "Theirs" not in ours


def test_runs_remember_what_they_were_made_by(call, started, tmp_path):
    """Where their results go to another file, by a later program."""
    other = dataclasses.replace(MACHINE, commit="fedcba")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "describe", lambda jobs: other)
        call()
    call(f"--results_dir={tmp_path}/docs")
    written = json.loads((tmp_path / "docs/toy.json").read_text())
    assert [each["commit"] for each in written["machines"]] == ["fedcba"]


def test_each_run_says_by_which_program_it_was_started(
    call, started, tmp_path, monkeypatch
):
    """The program may change while a study is under way."""
    commits = iter(["abc", "def", "012"])
    monkeypatch.setattr(
        machine,
        "describe",
        lambda jobs: dataclasses.replace(MACHINE, commit=next(commits)),
    )
    call()
    written = json.loads((tmp_path / "runs/toy/toy.json").read_text())
    made = [written["arms"][arm]["runs"]["1"]["machine"] for arm in "ab"]
    assert [written["machines"][i]["commit"] for i in made] == ["def", "012"]


def test_a_run_that_was_removed_is_repeated(call, started, tmp_path):
    """With what is beside it, and with the results; the others come back."""
    call()
    started.take()
    path = tmp_path / "runs/toy/toy.json"
    before = read_results(path)
    (directory,) = tmp_path.glob("runs/toy/a-*/seed_1")
    shutil.rmtree(directory)
    directory.with_suffix(".json").unlink()
    path.unlink()
    call()
    assert started.take() == [("a", 1)] and read_results(path) == before


def test_the_others_are_run_when_one_fails(
    call, started, tmp_path, monkeypatch, capsys
):
    def start(run):
        if run.arm.name == "a":
            run.log.parent.mkdir(parents=True)
            run.log.touch()
            code = f"echo 'error: no room' >>{run.log}; exit 3"
            return subprocess.Popen(["sh", "-c", code])
        return started(run)

    monkeypatch.setattr(processes, "start", start)
    message = r"^1 of 3 runs failed; .*: a, seed 1 \(.*/seed_1\.log\)\.$"
    with pytest.raises(InputError, match=message):
        call()
    found = read_results(tmp_path / "runs/toy/toy.json")
    assert {arm: [*seeds] for arm, seeds in found.items()} == {
        "base": ["1"],
        "a": [],
        "b": ["1"],
    }
    out, err = capsys.readouterr()
    _, failed, last, _ = err.split("\n")
    assert failed.startswith("failed: a, seed 1: ")
    assert failed.endswith(": no room") and last.startswith("2 of 3: b, seed")
    assert "Not run: a (seed 1).\n" in out
    assert "b 51.00 %" in (tmp_path / "runs/toy/toy.svg").read_text()
    monkeypatch.setattr(processes, "start", lambda _: subprocess.Popen("false"))
    with pytest.raises(InputError):
        call()
    assert "nothing was said" in capsys.readouterr().err  # this time
    monkeypatch.setattr(processes, "start", started)
    started.take()
    call()
    assert started.take() == [("a", 1)]


def test_a_run_that_leaves_nothing_has_failed(call, started, capsys):
    """Though main.py has ended well."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(studied, "leave_training", lambda *_, **options: None)
        with pytest.raises(InputError, match="3 of 3 runs failed"):
            call()
    out, err = capsys.readouterr()
    assert err.count("neither results.json nor metrics.jsonl") == 3 and not out


def test_a_study_has_settings_of_its_own(started, tmp_path, capsys):
    """Which those of the command line override."""
    settings = "--seeds=5,6\n--base_name=alone\n--generations=0\n"
    folder = write_study(tmp_path / "own", settings, b=LOOP)
    at = [f"--study={folder}/", f"--runs_dir={tmp_path}/runs"]
    run_study(*at)
    arms = ("base", "b")
    assert started.take() == [(arm, seed) for seed in (5, 6) for arm in arms]
    assert "over alone" in capsys.readouterr().out
    run_study(*at, "--seeds=7", "--base_name=supervised")
    assert started.take() == [(arm, 7) for arm in arms]
    assert "over supervised" in capsys.readouterr().out
    written = json.loads((tmp_path / "runs/own/own.json").read_text())
    assert written["study"] == "own" and written["generations"] == [0]


def test_the_studies_of_this_project_can_be_run(monkeypatch, started, tmp_path):
    monkeypatch.chdir(ROOT)
    for path in sorted((ROOT / "flags/studies").iterdir()):
        run_study(f"--study={path}", "--seeds=0", f"--runs_dir={tmp_path}")
        names = {name.stem for name in path.glob("*.cfg")} - {"study"}
        assert {arm for arm, _ in started.take()} == names
        first = (path / "base.cfg").read_text().split("\n")[0]
        assert first.startswith("# ") and os.sep not in first

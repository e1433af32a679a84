"""The study: what is run, and what is not run again."""

import itertools
import json
import re

import pytest

from tests.scripts import ROOT
from tests.tools.studied import read_results, run_study, write_study

LOOP = "--mode=self_train\n--unlabel_ratio=3\n"


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
    assert last["b"]["over"]["base"]["mean"] == 43
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
    assert arm.directory.parent.name == f"a-{arm.arm.digest}"


def test_arms_take_over_the_teacher_of_the_base(call, started, toy, tmp_path):
    """Its runs come first, so that it is there."""
    (toy / "base.cfg").write_text(f"{LOOP}--train_steps=7\n")
    (toy / "a.cfg").write_text("--train_steps=20\n")
    call("--seeds=4,2", "--share_teacher")
    base, others = started.runs[:2], started.runs[2:]
    assert started.own_flags[:2] == [[], []]
    assert started.take() == [
        *(("base", 4), ("base", 2)),
        *((arm, seed) for seed in (4, 2) for arm in ("a", "b")),
    ]
    directories = {run.seed: run.directory for run in base}
    for run, flags in zip(others, started.own_flags[2:], strict=True):
        assert flags == [f"--teacher_run_dir={directories[run.seed]}"]


def test_teachers_of_another_study_are_taken_over(call, started, toy, tmp_path):
    """Its base has the same flags; where no teacher is left, one is trained."""
    base = f"{LOOP}--train_steps=7\n"
    (toy / "base.cfg").write_text(base)
    (toy / "a.cfg").write_text("--train_steps=20\n")
    call("--only_arms=base", "--seeds=1,2")
    first, second = (run.directory for run in started.runs)
    (second / "generation_00/model.keras").unlink()
    other = write_study(tmp_path / "other", c="--train_steps=50\n")
    (other / "base.cfg").write_text(base)
    started.own_flags.clear()
    call(f"--study={other}", "--seeds=1,2", "--share_teacher")
    assert started.own_flags == [[f"--teacher_run_dir={first}"], []]


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
    assert len(started.runs) == 3
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
    gain = {"mean": 43, "low": None, "high": None}
    assert table["b"]["over"] == {"base": gain}
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


def test_a_study_has_settings_of_its_own(started, tmp_path, capsys):
    """Which those of the command line override."""
    settings = "--seeds=5,6\n--base_name=alone\n"
    settings += "--compared_with=b\n--generations=0\n"
    folder = write_study(tmp_path / "own", settings, b=LOOP)
    at = [f"--study={folder}/", f"--runs_dir={tmp_path}/runs"]
    run_study(*at)
    arms = ("base", "b")
    assert started.take() == [(arm, seed) for seed in (5, 6) for arm in arms]
    header = capsys.readouterr().out.split("\n")[0]
    assert "over alone" in header and "over b" in header
    run_study(*at, "--seeds=7", "--base_name=supervised")
    assert started.take() == [(arm, 7) for arm in arms]
    assert "over supervised" in capsys.readouterr().out
    written = json.loads((tmp_path / "runs/own/own.json").read_text())
    assert written["study"] == "own" and written["generations"] == [0]
    run_study(f"--results={tmp_path}/runs/own/own.json")
    assert "over b" in capsys.readouterr().out.split("\n")[0]


def test_the_studies_of_this_project_start_all_their_arms(
    monkeypatch, started, tmp_path
):
    """And say what is asked, and by which paper; no arm is trained."""
    monkeypatch.chdir(ROOT)
    folders = sorted((ROOT / "flags/studies").iterdir())
    assert folders
    for path in folders:
        runs_dir = tmp_path / path.name  # runs of the same flags are shared
        run_study(f"--study={path}", "--seeds=0", f"--runs_dir={runs_dir}")
        names = {name.stem for name in path.glob("*.cfg")} - {"study"}
        assert {arm for arm, _ in started.take()} == names
        lines = (path / "base.cfg").read_text().split("\n")
        comment = itertools.takewhile(lambda line: line.startswith("# "), lines)
        text = " ".join(line.removeprefix("# ") for line in comment)
        assert "?" in text and re.search(r"arXiv \d{4}\.\d{5}", text), path

"""The comparison of methods: its flags and bad input."""

import json
import pathlib
import subprocess
import sys

import pytest
from absl import flags as absl_flags
from absl.testing import flagsaver

from noisy_student.config import METHODS
from tests.scripts import python
from tools.benchmarks import compare_methods, method_runs


@pytest.fixture
def recipes(tmp_path) -> pathlib.Path:
    """Flag files of all methods, which say nothing but their method."""
    folder = tmp_path / "recipes"
    folder.mkdir()
    for method in METHODS:
        (folder / f"toy_{method}.cfg").write_text(
            f"--mode=train\n--method={method}\n"
        )
    return folder


def compare(*arguments):
    name = "tools.benchmarks.compare_methods"
    return python("-m", name, *arguments, timeout=60)


def parse(*arguments):
    absl_flags.FLAGS(["compare_methods", *arguments])


def test_flags_of_main_go_to_every_run():
    with flagsaver.flagsaver():
        parse("--task=digits", "--noremat", "--train_steps=7", "--shard_id=0,1")
        assert sorted(compare_methods.passed_on()) == [
            "--noremat",
            "--shard_id=0,1",
            "--train_steps=7",
        ]
    for name in ("seed=3", "method=pi_model", "task_name=cifar10"):
        with flagsaver.flagsaver():
            parse(f"--{name}")
            with pytest.raises(ValueError, match="is set for each run"):
                compare_methods.passed_on()


def test_each_method_runs_once_a_seed(tmp_path, monkeypatch, recipes, capsys):
    started = []

    def start(one, arguments):
        started.append((one.method, one.seed, one.recipe.name, arguments))
        one.directory.mkdir(parents=True)
        row = {"top_1_accuracy": 0.5 + one.seed / 10, "seconds": 1}
        (one.directory / "metrics.jsonl").write_text(json.dumps(row) + "\n")
        return subprocess.Popen([sys.executable, "-c", ""])

    monkeypatch.setattr(method_runs, "start", start)
    with flagsaver.flagsaver():
        parse(
            "--task=toy",
            "--methods=mean_teacher,supervised",
            "--seeds=4,2",
            f"--recipes_dir={recipes}",
            f"--runs_dir={tmp_path}/runs",
            "--train_steps=7",
        )
        compare_methods.plan()()
    assert started == [
        (method, seed, f"toy_{method}.cfg", ["--train_steps=7"])
        for seed in (4, 2)
        for method in ("supervised", "mean_teacher")
    ]
    folder = tmp_path / "runs/toy"
    assert (folder / "mean_teacher/seed_2/metrics.jsonl").exists()
    written = json.loads((folder / "compare.json").read_text())
    assert written["flags"] == ["--train_steps=7"]
    assert written["seeds"] == [4, 2] and written["jobs"] == 1
    assert written["methods"]["mean_teacher"]["top_1"] == [90, 70]
    last = json.loads(capsys.readouterr().out.strip().split("\n")[-1])
    assert last["supervised"]["mean"] == 80


def test_methods_are_in_one_order():
    with flagsaver.flagsaver():
        parse("--methods=pi_model,supervised,noisy_student")
        assert compare_methods.chosen_methods() == list(METHODS[:3])


def test_recipes_are_found_or_listed(tmp_path):
    for name in ("a", "b_supervised", "b_pi_model", "c_d_mean_teacher"):
        (tmp_path / f"{name}.cfg").touch()
    methods = ["supervised", "pi_model"]
    found = compare_methods.find_recipes(tmp_path, "b", methods)
    assert found == {m: tmp_path / f"b_{m}.cfg" for m in methods}
    with pytest.raises(ValueError, match="as b, c_d there; got 'a'"):
        compare_methods.find_recipes(tmp_path, "a", methods)
    with pytest.raises(ValueError, match=r"no b_mean_teacher\.cfg; write"):
        compare_methods.find_recipes(tmp_path, "b", METHODS[::4])
    with pytest.raises(ValueError, match="as none there; got 'b'"):
        compare_methods.find_recipes(tmp_path / "none", "b", methods)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--task=nope", "task must have recipes in "),
        ("--methods=supervised,best", "methods must be of supervised, noisy"),
        ("--methods=pi_model", "must have supervised among them"),
        ("--seeds=", "seeds must be numbers"),
        ("--seeds=0,one", "as 0,1,2; got '0,one'"),
        ("--seeds=0,-1", "got '0,-1'"),
        ("--seeds=2147483648", "numbers in [0, 2147483647]"),
        ("--seeds=1,2,1", "seeds must be different; got '1,2,1'"),
        ("--jobs=0", "jobs must be above 0; got 0"),
        ("--seed=3", "seed is set for each run"),
        ("--runs_dir=Makefile", "for Makefile is no directory"),
        ("digits", "unknown arguments digits"),
    ],
)
def test_bad_input_is_one_line(argument, message, recipes):
    process = compare("--task=toy", f"--recipes_dir={recipes}", argument)
    assert process.returncode == 2
    (line,) = process.stderr.strip().split("\n")
    assert line.startswith("error: ") and message in line
    assert not process.stdout


def test_a_chart_that_cannot_be_written_is_told_before_all_runs(
    tmp_path, recipes
):
    (tmp_path / "runs/toy/compare.png").mkdir(parents=True)
    process = compare(
        "--task=toy", f"--recipes_dir={recipes}", f"--runs_dir={tmp_path}/runs"
    )
    assert process.returncode == 2
    (line,) = process.stderr.strip().split("\n")
    assert line.startswith("error: ")
    assert line.endswith("compare.png is to be written, and is a directory.")


def test_what_main_refuses_is_one_line(tmp_path, recipes):
    process = compare(
        "--task=toy",
        f"--recipes_dir={recipes}",
        f"--runs_dir={tmp_path}",
        "--train_steps=-5",
    )
    assert process.returncode == 2
    (line,) = process.stderr.strip().split("\n")
    assert line.startswith("error: supervised, seed 0: main.py ended with ")
    assert "train_steps" in line
    log = tmp_path / "toy/supervised/seed_0.log"
    assert str(log) in line and "train_steps" in log.read_text()

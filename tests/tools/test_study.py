"""The study: its flags, arms and bad input."""

import json
import pathlib
import subprocess
import sys

import pytest
from absl import flags as absl_flags
from absl.testing import flagsaver

import flags
from tests.scripts import error_of, python
from tools import study
from tools.studies import runs

METHODS = ("supervised", "noisy_student", "pi_model", "mean_teacher")


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
    return python("-m", "tools.study", *arguments, timeout=240)


def parse(*arguments):
    absl_flags.FLAGS(["study", *map(str, arguments)])


def arms_of(*arguments):
    with flagsaver.flagsaver():
        parse(*arguments)
        return study.find_arms(flags.read(study.StudySettings))


def test_flags_of_main_go_to_every_run():
    with flagsaver.flagsaver():
        parse("--jobs=2", "--noremat", "--train_steps=7", "--shard_id=0,1")
        assert sorted(study.main_arguments()) == [
            "--noremat",
            "--shard_id=0,1",
            "--train_steps=7",
        ]
    for name in ("seed=3", "model_dir=runs/a"):
        with flagsaver.flagsaver():
            parse(f"--{name}")
            with pytest.raises(ValueError, match="is set for each run"):
                study.main_arguments()


def test_each_arm_runs_once_per_seed(tmp_path, monkeypatch, recipes, capsys):
    started = []

    def start(one, arguments):
        started.append((one.arm, one.seed, one.recipe.name, arguments))
        one.directory.mkdir(parents=True)
        row = {"top_1_accuracy": 0.5 + one.seed / 10, "seconds": 1}
        (one.directory / "metrics.jsonl").write_text(json.dumps(row) + "\n")
        return subprocess.Popen([sys.executable, "-c", ""])

    monkeypatch.setattr(runs, "start", start)
    arms = [recipes / f"toy_{name}.cfg" for name in METHODS[::3]]
    with flagsaver.flagsaver():
        parse(
            f"--arms={arms[1]},{arms[0]}",
            "--baseline=toy_supervised",
            "--seeds=4,2",
            f"--runs_dir={tmp_path}/runs",
            "--train_steps=7",
        )
        settings = flags.read(study.StudySettings)
        stage = study.Study(settings, study.main_arguments())
        stage.validate()
        stage.run()
    assert started == [
        (f"toy_{name}", seed, f"toy_{name}.cfg", ["--train_steps=7"])
        for seed in (4, 2)
        for name in METHODS[::3]
    ]
    folder = tmp_path / "runs"
    assert (folder / "toy_mean_teacher/seed_2/metrics.jsonl").exists()
    written = json.loads((folder / "study.json").read_text())
    assert written["flags"] == ["--train_steps=7"]
    assert written["seeds"] == [4, 2] and written["jobs"] == 1
    assert written["baseline"] == "toy_supervised"
    assert written["arms"]["toy_mean_teacher"]["top_1"] == [[90], [70]]
    last = json.loads(capsys.readouterr().out.strip().split("\n")[-1])
    assert last["toy_supervised"]["mean"] == 80


def test_arms_are_files_patterns_and_directories(recipes):
    paths = {path.stem: path for path in sorted(recipes.glob("*.cfg"))}
    assert arms_of(f"--arms={recipes}") == paths
    assert arms_of(f"--arms={recipes}/toy_*.cfg") == paths
    some = [paths["toy_pi_model"], paths["toy_mean_teacher"]]
    found = arms_of(f"--arms={some[0]},{recipes}/*mean*.cfg")
    assert [*found.values()] == some


def test_the_baseline_comes_first(recipes):
    arms = arms_of(f"--arms={recipes}", "--baseline=toy_supervised")
    assert next(iter(arms)) == "toy_supervised" and len(arms) == len(METHODS)
    assert next(iter(arms_of(f"--arms={recipes}"))) == "toy_mean_teacher"


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--arms=flags/nope_*.cfg", "there is no flag file flags/nope_*.cfg"),
        ("--arms=tests", "there is no flag file tests/*.cfg"),
        ("--arms=", "baseline must be one of some arms; got None"),
        ("--arms=flags/recipes,flags/recipes/digits.cfg", "must be different"),
        ("--baseline=best", "toy_supervised; got 'best'"),
        ("--seeds=", "seeds must be integers separated by commas; got ''"),
        ("--seeds=0,one", "integers separated by commas; got '0,one'"),
        ("--seeds=0,-1", "seeds must be in [0, "),
        ("--seeds=2147483648", "seeds must be in [0, "),
        ("--seeds=1,2,1", "as 0,1,2; got '1,2,1'"),
        ("--jobs=0", "jobs must be at least 1; got 0"),
        ("--jobs=1000", "jobs must be at most the number of cores"),
        ("--seed=3", "seed is set for each run"),
        ("--runs_dir=Makefile", "for Makefile is no directory"),
        ("digits", "unknown arguments digits"),
    ],
)
def test_bad_input_is_one_line(argument, message, recipes):
    process = compare(f"--arms={recipes}", argument)
    assert process.returncode == 2
    (line,) = process.stderr.strip().split("\n")
    assert line.startswith("error: ") and message in line
    assert not process.stdout


def test_a_chart_that_cannot_be_written_is_told_before_all_runs(
    tmp_path, recipes
):
    (tmp_path / "runs/study.png").mkdir(parents=True)
    process = compare(f"--arms={recipes}", f"--runs_dir={tmp_path}/runs")
    assert error_of(process).endswith(
        "study.png is to be written, and is a directory."
    )


def test_what_main_refuses_is_one_line(tmp_path, recipes):
    process = compare(
        f"--arms={recipes}/toy_supervised.cfg",
        f"--runs_dir={tmp_path}",
        "--train_steps=-5",
    )
    assert process.returncode == 2
    (line,) = process.stderr.strip().split("\n")
    assert line.startswith("error: toy_supervised, seed 0: main.py ended with ")
    assert "train_steps" in line
    log = tmp_path / "toy_supervised/seed_0.log"
    assert str(log) in line and "train_steps" in log.read_text()

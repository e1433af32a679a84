"""What a study refuses, in one line and before anything is run."""

import pytest
from absl.testing import flagsaver

from tests.scripts import ROOT, error_of, python
from tools import study
from tools.studies import processes


@pytest.fixture
def refusal(toy, tmp_path, monkeypatch, capsys):
    """What the command says of bad input, one line; nothing is run."""
    monkeypatch.setattr(processes, "start", pytest.fail)

    def run(*arguments):
        at = [f"--study={toy}", f"--runs_dir={tmp_path}/runs"]
        with flagsaver.flagsaver(), pytest.raises(SystemExit) as caught:
            study.main(study.parse(["study", *at, *map(str, arguments)]))
        assert caught.value.code == 2
        out, err = capsys.readouterr()
        line, _, rest = err.partition("\n")
        assert line.startswith("error: ") and not out and not rest
        return line

    return run


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--study=", "study must be set: --study=flags/studies/NAME runs"),
        ("--study=docs", "there is no docs/base.cfg, the flag file of"),
        ("--study=gs://a/b", "study must be on this machine; got gs://a/b"),
        ("--runs_dir=", "runs_dir must name a directory; got ''."),
        ("--runs_dir=gs://a/b", "runs_dir must be on this machine"),
        ("--runs_dir=Makefile", "for Makefile is no directory"),
        ("--results_dir=Makefile", "results_dir: Makefile/toy.json cannot"),
        ("--seeds=", "seeds must be integers separated by commas; got ''"),
        ("--seeds=0,one", "integers separated by commas; got '0,one'"),
        ("--seeds=0,-1", "seeds must be in [0, "),
        ("--seeds=2147483648", "seeds must be in [0, "),
        ("--seeds=1,2,1", "as 0,1,2; got '1,2,1'"),
        ("--jobs=0", "jobs must be at least 1; got 0"),
        ("--jobs=1000", "jobs must be at most the number of cores"),
        ("--only_arms=a,d", "only_arms must be among base, a, b; got d."),
        ("--compared_with=base", "compared_with must be among a, b; got base"),
        ("--base_name=a", "base_name must not be that of another arm"),
        ("--base_name= ", "base_name must have letters; got ' '"),
        ("--generations=-1", "generations must be at least 0; got -1"),
        ("--seed=3", "base.cfg: seed is set for each run; choose by seeds"),
        ("--model_dir=x", "base.cfg: model_dir is set for each run"),
        ("--share_teacher", "or change the mode of base, a, b."),
        ("--mode=eval", "mode must be train or self_train; got 'eval'"),
        ("--dry_run", "dry_run is for main.py alone"),
        ("--train_steps=-5", "base.cfg with --train_steps=-5: train_steps"),
        ("--arms=a", "Unknown command line flag 'arms'"),
        ("--results=a.json", "shown as they are; leave out --study"),
        ("digits", "unknown arguments digits"),
    ],
)
def test_bad_input_is_one_line(argument, message, refusal, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert message in refusal(argument)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a", "--steps=5", "a.cfg: Unknown command line flag 'steps'"),
        ("a", "train_steps=5", "a.cfg has what is no flag: train_steps=5."),
        ("a", "--flagfile=none.cfg", "Unable to open flagfile"),
        ("a", "--train_steps=x", "a.cfg: flag --train_steps=x: "),
        ("a", "--train_steps=-5", "a.cfg: train_steps must be above 0"),
        ("b", "--seed=5", "b.cfg: seed is set for each run"),
        ("study", "--jobs=2", "share_teacher and nothing else; got jobs."),
        ("study", "--train_steps=2", "study.cfg: Unknown command line flag"),
        ("study", "--seeds=1,1", "study.cfg: seeds must be different"),
        ("study", "seeds=1", "nothing else; got seeds=1."),
    ],
)
def test_bad_flag_files_are_one_line(name, text, message, toy, refusal):
    (toy / f"{name}.cfg").write_text(f"{text}\n")
    assert message in refusal()


@pytest.mark.parametrize("name", ["toy.svg", "toy.json"])
def test_what_cannot_be_written_is_told_before_all_runs(
    name, refusal, tmp_path
):
    (tmp_path / "runs/toy" / name).mkdir(parents=True)
    told = f"{name} is to be written, and is a directory."
    assert refusal().endswith(told)


def test_damaged_results_are_told_before_all_runs(refusal, tmp_path):
    (tmp_path / "toy.json").write_text("[]")
    line = refusal(f"--results_dir={tmp_path}")
    assert "toy.json is damaged, or not of this tool" in line


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--train_steps=3", "shown as they are; leave out --train_steps"),
        ("--jobs=2", "shown as they are; leave out --jobs"),
        ("--debug=false", "none.json cannot be read: No such file"),
    ],
)
def test_results_are_shown_by_one_flag(argument, message):
    process = command("--results=none.json", argument)
    assert message in error_of(process)
    assert process.stderr.count("\n") == 1 and not process.stdout


def command(*arguments):
    return python("-m", "tools.study", *arguments, timeout=240)


def test_what_main_refuses_is_one_line(toy, tmp_path):
    process = command(
        f"--study={toy}",
        f"--runs_dir={tmp_path}",
        "--label_data_dir=none",
        "--seeds=0",
        "--only_arms=base",
    )
    line = error_of(process)
    (log,) = tmp_path.glob("toy/base-*/seed_0.log")
    assert line == (
        "error: 1 of 1 runs failed; the same command starts them again: base, "
        f"seed 0 ({log})."
    )
    told = log.read_text().strip().split("\n")[-1].removeprefix("error: ")
    assert process.stderr.split("\n")[0] == (
        f"failed: base, seed 0: main.py ended with code 2 ({log}): {told}"
    )
    assert "none" in told and not process.stdout
    assert not (tmp_path / "toy/toy.json").exists()

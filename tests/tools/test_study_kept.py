"""What is kept of runs: in which file, by which program, and until when."""

import contextlib
import dataclasses
import fcntl
import json
import shutil

import pytest

from noisy_student.errors import InputError
from tests.tools.studied import (
    MACHINE,
    read_results,
    record,
    write_study,
)
from tools.studies import arms, machine, processes
from tools.studies import runs as study_runs


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


def test_studies_share_the_runs_of_the_same_flags(call, started, tmp_path):
    """Base and b are arms of both, by whatever name."""
    call()
    longer = "--train_steps=50\n"
    other = write_study(tmp_path / "other", c=longer, d="--train_steps=60\n")
    started.take()
    call(f"--study={other}", "--seeds=1,2")
    assert started.take() == [("d", 1), ("base", 2), ("c", 2), ("d", 2)]
    found = read_results(tmp_path / "runs/other/other.json")
    toy = read_results(tmp_path / "runs/toy/toy.json")
    assert found["base"]["1"] == toy["base"]["1"] != found["base"]["2"]
    assert found["c"]["1"] == toy["b"]["1"]


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


def test_results_are_not_lost_to_a_trial(call, started, tmp_path, capsys):
    """A file that came with the project has its runs elsewhere."""
    at = f"--results_dir={tmp_path}/docs"
    call(at, "--seeds=1,2")
    path = tmp_path / "docs/toy.json"
    before = path.read_text()
    (directory,) = tmp_path.glob("runs/toy/a-*")
    (directory / "seed_1.json").rename(tmp_path / "gone.json")
    started.take()
    message = (
        rf"results_dir: {path} has results of a with flags that are no longer "
        rf"the study's, and their runs are not in {tmp_path}/runs/toy: they "
        r"would be lost\. Name another --results_dir\.$"
    )
    with pytest.raises(ValueError, match=message):
        call(at, "--weight_decay=0.5")
    assert not started.runs and path.read_text() == before
    call("--weight_decay=0.5")
    assert len(started.take()) == 3 and path.read_text() == before
    # Where all runs are, nothing is lost.
    (tmp_path / "gone.json").rename(directory / "seed_1.json")
    call(at, "--weight_decay=0.5")
    assert path.read_text() != before
    call(at, "--seeds=1,2")
    assert path.read_text() == before and not started.take()


def lock(path):
    """What another call does, until the file is closed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = open(path, "a")  # noqa: SIM115 (the caller closes it)
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def test_two_calls_do_not_run_the_same(call, started, tmp_path, capsys):
    call("--only_arms=a")
    (done,) = started.runs
    started.take()
    (tmp_path / "runs/toy/toy.json").unlink()
    with lock(done.log):
        call("--only_arms=a")  # it is finished, whoever reads its log
    with lock(done.log.with_name("seed_2.log")) as log:
        message = (
            rf"^a, seed 2 is under way in another call \({log.name}\)\. Wait "
            r"for its end, stop it, or choose by --only_arms and --seeds\.$"
        )
        with pytest.raises(ValueError, match=message):
            call("--seeds=1,2")
        assert not started.runs
        call("--seeds=1,2", "--only_arms=base,b")
    started.take()
    call("--seeds=1,2")
    assert started.take() == [("a", 2)]


@pytest.fixture
def really_start():
    """What `started` takes the place of."""
    return processes.start


def test_what_another_call_does_meanwhile_is_left_to_it(
    call, really_start, started, tmp_path, capsys, monkeypatch
):
    """It has finished one run and begun with the next, since this one began."""
    other = dataclasses.replace(MACHINE, commit="theirs")
    locked = contextlib.ExitStack()

    def begin(run, own_flags):
        if run.arm.name == "b":
            return really_start(run, own_flags)
        a, b = (dataclasses.replace(run, arm=arm) for arm in found[1:])
        study_runs.save_record(a, record(95, machine=other))
        locked.enter_context(lock(b.log))
        return started(run, own_flags)

    found = arms.read(tmp_path / "toy", ["--noremat"])
    monkeypatch.setattr(processes, "start", begin)
    message = "1 of 3 runs failed; .*: b, seed 1 "
    with locked, pytest.raises(InputError, match=message):
        call("--noremat")
    lines = capsys.readouterr().err.split("\n")
    assert lines[1].startswith("2 of 3: a, seed 1, 95.00 %")
    assert lines[2] == "failed: b, seed 1: it is under way in another call"
    written = json.loads((tmp_path / "runs/toy/toy.json").read_text())
    its = written["arms"]["a"]["runs"]["1"]["machine"]
    assert written["machines"][its]["commit"] == "theirs"

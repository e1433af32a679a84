"""Runs that fail, beside others that do not."""

import subprocess

import pytest

from noisy_student.errors import InputError
from tests.tools import studied
from tests.tools.studied import read_results
from tools.studies import processes


def test_the_others_are_run_when_one_fails(
    call, started, tmp_path, monkeypatch, capsys
):
    def start(run, own_flags):
        if run.arm.name == "a":
            run.log.parent.mkdir(parents=True)
            run.log.touch()
            code = f"echo 'error: no room' >>{run.log}; exit 3"
            return subprocess.Popen(["sh", "-c", code])
        return started(run, own_flags)

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
    monkeypatch.setattr(
        processes, "start", lambda *_: subprocess.Popen("false")
    )
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

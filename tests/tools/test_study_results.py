"""The file of results: what is added and dropped, and what is none."""

import dataclasses
import functools
import json
import subprocess
import time
from concurrent import futures

import pytest

from noisy_student.errors import InputError
from tests.tools.studied import MACHINE, record
from tools.studies import machine, results
from tools.studies.arms import Arm
from tools.studies.machine import Machine
from tools.studies.results import ArmResults, Results

BASE, OTHER = Arm("base", ("--a=1", "--b=2")), Arm("pi_model", ("--a=3",))


def made():
    """A study of two arms with a run each."""
    empty = Results("toy", "supervised", (0, 2), {})
    known = empty.with_arms([BASE, OTHER])
    return known.with_run("base", 3, record(80, 90, labels=0.5)).with_run(
        "pi_model", 1, record(70)
    )


def test_what_is_saved_is_loaded(tmp_path):
    far = dataclasses.replace(MACHINE, processor="B", jobs=2)
    whole = made().with_run("base", 0, record(60, machine=far))
    whole = whole.with_run("base", 4, record(80, 90, 85, chosen=1))
    results.save(tmp_path / "toy.json", whole)
    assert results.load(tmp_path / "toy.json") == whole
    assert [*whole.arms["base"].runs] == [0, 3, 4]  # in order
    written = json.loads((tmp_path / "toy.json").read_text())
    assert [each["processor"] for each in written["machines"]] == ["B", "A"]
    base = written["arms"]["base"]
    assert base["digest"] == BASE.digest and base["flags"] == ["--a=1", "--b=2"]
    assert base["runs"]["3"] == {
        "generations": [
            {
                "scores": {"top_1_accuracy": accuracy},
                "seconds": 1,
                "label_accuracy": 0.5,
            }
            for accuracy in (0.8, 0.9)
        ],
        "machine": 1,
    }


def test_the_base_has_its_name_in_tables():
    outcomes = made().outcomes()
    assert {arm: [*runs] for arm, runs in outcomes.items()} == {
        "supervised": [3],
        "pi_model": [1],
    }
    runs = {"supervised": [3], "pi_model": [1]}
    assert made().machines() == {str(MACHINE): runs}


def test_results_of_other_flags_are_dropped():
    changed = Arm("base", ("--a=1", "--b=3"))
    kept = made().with_arms([changed, OTHER, Arm("new", ())])
    assert not kept.arms["base"].runs
    assert kept.arms["base"].flags == changed.flags
    assert kept.arms["pi_model"] == made().arms["pi_model"]
    assert kept.arms["new"] == ArmResults(())
    assert made().dropped_by([changed, OTHER]) == {
        "base": "results of 1 run of base are dropped, whose flags have "
        "changed (--b=2, --b=3)"
    }
    (line,) = made().dropped_by([BASE]).values()
    assert line == (
        "results of 1 run of pi_model are dropped, which is no arm any more"
    )
    assert made().with_arms([BASE]).arms == {"base": made().arms["base"]}
    assert made().dropped_by([BASE, OTHER]) == {}


def test_a_run_takes_the_place_of_an_earlier_one():
    again = made().with_run("base", 3, record(50))
    assert again.arms["base"].runs == {3: record(50)}
    assert made().arms["base"].runs[3].outcome.top_1 == 90


def test_two_writers_lose_nothing_of_each_other(tmp_path):
    """As two calls would, with an arm each."""
    path = tmp_path / "new/toy.json"

    def write(name):
        def add(seed, earlier):
            time.sleep(0.005)  # so that the other one would come in between
            return (earlier or made()).with_run(name, seed, record(60))

        for seed in range(10):
            results.update(path, functools.partial(add, seed))

    with futures.ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(write, name) for name in ("base", "pi_model")]:
            done.result()
    arms = results.load(path).arms
    assert [*arms["base"].runs] == [*arms["pi_model"].runs] == [*range(10)]
    assert [each.name for each in path.parent.iterdir()] == ["toy.json"]


def run_of(value):
    return value["arms"]["base"]["runs"]["3"]


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.update(arms=[]),
        lambda value: run_of(value).update(machine=1),
        lambda value: value["arms"]["base"]["runs"].update(x=run_of(value)),
        lambda value: run_of(value).update(generations=[]),
        lambda value: run_of(value).update(generations=[2]),
        lambda value: run_of(value).update(chosen_generation=2),
        lambda value: run_of(value)["generations"][0]["scores"].update(
            top_1_accuracy="0.8"
        ),
    ],
)
def test_damaged_results_are_one_line(change, tmp_path):
    assert "toy.json is damaged, or not of this tool (" in told(
        change, tmp_path
    )


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda value: value.pop("arms"), "arms"),
        (lambda value: run_of(value).pop("machine"), "machine"),
        (lambda value: value["machines"][0].pop("cores"), "cores"),
        (lambda value: value["machines"][0].update(gpu=1), "gpu"),
        (lambda value: run_of(value)["generations"][0].update(at=1), "at"),
        (lambda value: run_of(value)["generations"][0].pop("scores"), "scores"),
    ],
)
def test_results_of_another_version_are_one_line(change, field, tmp_path):
    line = told(change, tmp_path)
    assert "toy.json was written by another version of this tool" in line
    assert field in line


def told(change, tmp_path):
    """What is said of results after a change of their JSON."""
    path = tmp_path / "toy.json"
    results.save(path, made())
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))
    with pytest.raises(InputError) as caught:
        results.load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_need_not_be_there_may_be_missing(tmp_path):
    path = tmp_path / "toy.json"
    results.save(path, made())
    value = json.loads(path.read_text())
    for row in run_of(value)["generations"]:
        row.pop("label_accuracy")
    path.write_text(json.dumps(value))
    found = results.load(path).arms["base"].runs[3].outcome
    assert found.generations[1].label_accuracy is None


def test_what_is_no_json_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"a\.json cannot be read: No such"):
        results.load(tmp_path / "a.json")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(InputError, match=r"a\.json is damaged"):
        results.load(tmp_path / "a.json")


def test_this_machine_is_described():
    found = machine.describe(jobs=2)
    assert found.jobs == 2 and found.cores >= 1 and found.memory_gib > 0
    assert found.processor and "tensorflow" in found.versions
    text = json.dumps(dataclasses.asdict(found))
    assert Machine(**json.loads(text)) == found


def test_changes_of_the_program_are_told(tmp_path, monkeypatch):
    def git(*arguments):
        names = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        command = ["git", *names, *arguments]
        return subprocess.run(
            command, cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    monkeypatch.setattr(machine, "_ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    outside = machine.describe(jobs=1)
    assert outside.commit is None and not outside.has_changes
    assert str(outside).startswith("no commit; ")
    for name in ("main.py", "docs/a.md", "flags/a.py", "flags/studies/a.cfg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    git("init")
    git("add", ".")
    git("commit", "--message=a")
    commit = git("rev-parse", "HEAD")
    for name, changes in (
        ("docs/a.md", False),
        ("flags/studies/a.cfg", False),
        ("docs/new.md", False),
        ("flags/a.py", True),
    ):
        (tmp_path / name).write_text("other")
        found = machine.describe(jobs=1)
        assert found.commit == commit and found.has_changes == changes, name
    assert str(found).startswith(f"{commit[:7]} with changes; ")

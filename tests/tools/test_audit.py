"""The script, on a run of self-training as small as it goes."""

import csv
import json

import pytest

from tests.scripts import TINY, error_of, python, run


@pytest.mark.slow
def test_a_run_is_audited(finished, tmp_path):
    directory = finished.copy(tmp_path / "run")
    results = json.loads((directory / "results.json").read_text())
    labels = results["generations"][1]["pseudo_labels"]
    audited = python(
        "tools/audit.py", f"--model_dir={directory}", "--num_disputed=5"
    )
    assert audited.returncode == 0, audited.stderr
    assert "read pseudo labels" in audited.stderr
    assert "ask the student" in audited.stderr
    summary = json.loads(audited.stdout.strip().split("\n")[-1])
    assert summary["predicted"] == 1347
    found = [summary[f"kept{name}"] for name in ("", "_accuracy")]
    assert found == [labels["kept"], pytest.approx(labels["accuracy"])]
    assert summary["records"] == labels["records"]
    folder = directory / "audit/generation_01"
    assert summary["directory"] == str(folder)
    assert len(list((folder / "disputed").iterdir())) == 5
    with open(folder / "disputed.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    values = [float(row["self_confidence"]) for row in rows]
    assert values == sorted(values) and len(values) == 5
    # The run itself is as it was.
    again = run(*TINY, f"--model_dir={directory}")
    assert "is finished" in again.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model_dir=/no/run"], "There is no run in /no/run"),
        ([], "model_dir must be set"),
        (["--generation=0"], "generation must be at least 1"),
    ],
)
def test_bad_input_is_one_line(arguments, message):
    process = python("tools/audit.py", *arguments, timeout=120)
    assert message in error_of(process)

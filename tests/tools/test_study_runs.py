"""What runs have left, and the record that is kept of it."""

import json

import pytest

from noisy_student.errors import InputError
from tests.tools.studied import leave_training, record
from tools.studies import outcomes
from tools.studies import runs as study_runs
from tools.studies.arms import Arm
from tools.studies.outcomes import Generation, Outcome


def test_results_of_training_are_read(tmp_path):
    leave_training(tmp_path / "a", 0.875, 12.5)
    found = outcomes.read(tmp_path / "a")
    assert found == Outcome((Generation({"top_1_accuracy": 0.875}, 12.5),))
    assert (found.top_1, found.seconds) == (87.5, 12.5)
    with pytest.raises(InputError, match=r"neither results\.json nor metr"):
        outcomes.read(tmp_path)


def test_results_of_self_training_are_read(tmp_path):
    # The teacher's own lines are not where a run's result is looked for.
    leave_training(tmp_path / "generation_00", 0.99, 999)
    measured = {"top_1_accuracy": 0.9, "pgd_4_accuracy": 0.25}
    others = {"generation": 1, "num_images": 7, "validation": None}
    student = {"pseudo_labels": {"kept": 2, "accuracy": 0.5}, "seconds": 20.5}
    teacher = {"top_1_accuracy": 0.8, "seconds": 10.0, "pseudo_labels": None}
    rows = [teacher, measured | others | student]
    text = json.dumps({"generations": rows})
    (tmp_path / "results.json").write_text(text)
    assert outcomes.read(tmp_path) == Outcome(
        (
            Generation({"top_1_accuracy": 0.8}, 10.0),
            Generation(measured, 20.5, label_accuracy=0.5),
        )
    )


def test_the_model_of_a_run_is_the_one_that_was_chosen(tmp_path):
    """By validation images; results of before that key have the last."""
    rows = [{"top_1_accuracy": a, "seconds": 1.0} for a in (0.8, 0.9, 0.85)]
    for more, top_1 in (({"chosen_generation": 1}, 90), ({}, 85)):
        text = json.dumps({"generations": rows} | more)
        (tmp_path / "results.json").write_text(text)
        assert outcomes.read(tmp_path).top_1 == pytest.approx(top_1)


def test_what_a_real_run_leaves_is_read(finished):
    """As its own table has it."""
    found = outcomes.read(finished.directory)
    table = finished.process.stdout.split("\n")
    assert found.chosen == 1
    for row, line in zip(found.generations, table[1:3], strict=True):
        assert {*row.scores} == {"top_1_accuracy", "top_5_accuracy"}
        assert f" {row.top_1:.2f} % " in line
        assert float(line.split()[-1]) == round(row.seconds)
    assert found.generations[0].label_accuracy is None
    label_accuracy = 100 * found.generations[1].label_accuracy
    assert f" {label_accuracy:.2f} % " in table[2]


def test_records_are_read_as_they_were_written(tmp_path):
    one = study_runs.Run(Arm("pi_model", ("--a=1",)), 3, tmp_path)
    assert study_runs.load_record(one) is None
    for chosen in (None, 0):
        kept = record(70, 80, labels=0.5, chosen=chosen, pgd_4_accuracy=0.1)
        study_runs.save_record(one, kept)
        assert study_runs.load_record(one) == kept
    for text, words in (
        ("[]", "is damaged"),
        ('{"generations": [2], "machine": 1}', "is damaged"),
        ('{"generations": []}', "another version"),
    ):
        one.record.write_text(text)
        with pytest.raises(InputError, match=rf"seed_3\.json .*{words}"):
            study_runs.load_record(one)
    one.record.unlink()
    one.record.mkdir()
    with pytest.raises(InputError, match=r"seed_3\.json cannot be read: Is a"):
        study_runs.load_record(one)

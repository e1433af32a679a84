"""Audits of students whose images are records of the one before."""

import json

import pytest

from noisy_student import models, pseudo_labels
from noisy_student.config import (
    SelfTrainingConfig,
)
from noisy_student.files import writing
from noisy_student.stages import (
    generations,
    labels,
    predict,
)
from noisy_student.stages.experiment import Experiment
from noisy_student.training import distribution
from tests.stages import audited_run
from tests.stages.audited_run import make_model, write_predictions


@pytest.fixture
def run(tmp_path, monkeypatch):
    return audited_run.make(tmp_path, monkeypatch)


def label_again(run, **loop):
    """A second student, whose images are the records of the first."""
    settings = SelfTrainingConfig(2, filter_once=True, **loop)
    run.save_config(self_training=settings)
    devices = distribution.make_devices(run.config.run)
    opened = Experiment(run.config, run.data, devices)
    again = labels.of_filtered_images(opened, run.labels)
    generation = generations.plan(run.config, 3)[2]
    files = predict.label_files(again.config, generation.labels)
    teacher = run.directory / "generation_01/model.keras"
    write_predictions(files, again.data, lambda _: [0.25, 0.5, 0.25], teacher)
    pseudo_labels.filter_and_balance(
        again.data,
        files,
        generation.labels,
        again.config.pseudo_labels,
        generation.trainings[0].seed,
    )
    models.save_model(make_model(), generation.model)
    run.save_results([None, 0, 1])


def test_images_that_were_only_labelled_again(run, capsys):
    """They are records, whose true labels are unknown."""
    label_again(run)
    run.audit()
    summary = json.loads(capsys.readouterr().out.strip().split("\n")[-1])
    assert (summary["generation"], summary["teacher"]) == (2, 1)
    assert summary["predicted"] == summary["kept"] == summary["records"] == 18
    assert summary["kept_accuracy"] is None
    # Six records are of the class that the student answers; see IMAGES.
    assert summary["student_agreement"] == pytest.approx(6 / 18)
    rows = run.rows("disputed.csv", generation=2)
    assert {row["true_label"] for row in rows} == {""}
    assert "train-0000" in rows[0]["image"]
    # The first student's are still there.
    run.audit(generation=1)
    assert len(run.rows("disputed.csv")) == 6


def test_without_those_records_they_cannot_be_audited(run):
    label_again(run, keep_pseudo_labels="last")
    writing.remove(run.labels / "data")
    message = (
        r"generation_01/pseudo_labels/data, which is needed, is not "
        r"there: keep_pseudo_labels=last removed it"
    )
    with pytest.raises(ValueError, match=message):
        run.stage().validate()

"""Runs that cannot be audited, and why."""

import dataclasses

import pytest

from noisy_student import models, pseudo_labels
from noisy_student.config import (
    RunConfig,
    SelfTrainingConfig,
)
from noisy_student.config.tools import AuditSettings
from noisy_student.errors import InputError
from noisy_student.files import writing
from noisy_student.pseudo_labels import stats
from noisy_student.stages import (
    Audit,
    audit,
    predict,
)
from noisy_student.training import distribution
from tests.settings import experiment
from tests.stages import audited_run
from tests.stages.audited_run import make_model


@pytest.fixture
def run(tmp_path, monkeypatch):
    return audited_run.make(tmp_path, monkeypatch)


def refused(made, message, error=ValueError, **settings):
    stage = made.stage(**settings)
    with pytest.raises(error, match=message):
        stage.validate()
    assert not (made.directory / audit.AUDIT_DIR).exists()


def test_a_missing_run_is_named(run, tmp_path):
    run.directory = tmp_path / "other"
    refused(run, "There is no run in .*other, which has no config.json")
    stage = Audit(experiment(""), AuditSettings())
    with pytest.raises(ValueError, match="model_dir must be set"):
        stage.validate()


def test_a_run_without_pseudo_labels_is_refused(run):
    run.save_config(mode="train")
    refused(run, "has no pseudo labels of its own: it is of mode=train")


def test_a_run_without_a_student_is_refused(run):
    run.save_results([None])
    refused(run, "No student of .*run is finished")


def test_a_student_that_is_not_there_is_refused(run):
    refused(run, "generation must be from 1 to 1, .*; got 2", generation=2)
    with pytest.raises(ValueError, match="generation must be at least 1"):
        AuditSettings(generation=0)


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("last", "keep_pseudo_labels=last removed it"),
        ("all", "it was removed"),
    ],
)
def test_removed_predictions_are_named(run, rule, why):
    run.save_config(
        self_training=SelfTrainingConfig(1, keep_pseudo_labels=rule)
    )
    writing.remove(run.labels / "predictions")
    refused(run, f"pseudo_labels/predictions, which .* {why}")


def test_missing_files_are_named(run):
    (run.labels / "predictions/train-info-00001-of-00002-00000").unlink()
    refused(run, "Predictions of the shards 1 of 2 are missing")
    (run.labels / stats.STATS_FILE).unlink()
    refused(run, "pseudo_labels has no stats.json")
    (run.directory / "generation_01/model.keras").unlink()
    refused(run, "There is no model at .*generation_01")


def test_another_teacher_is_refused(run):
    path = run.directory / "generation_00/model.keras"
    models.save_model(make_model(1.0), path)
    refused(run, "was made of something else: teacher=", InputError)


def test_other_images_are_refused(run):
    run.data.identity["seed"] = 1
    refused(run, "seed=None there and 1 here", InputError)


def test_several_workers_are_refused(run):
    workers = RunConfig("multi_worker")
    refused(run, "an audit is one process", run=workers)


def test_a_batch_must_divide_by_the_replicas(run, two_replicas, monkeypatch):
    devices = distribution.Devices(two_replicas)
    monkeypatch.setattr(predict, "local_devices", lambda *_: devices)
    odd = RunConfig("one_device", eval_batch_size=3)
    refused(run, "eval_batch_size", run=odd)


def test_changed_statistics_are_refused(run):
    found = pseudo_labels.PseudoLabelStats.load(run.labels)
    other = dataclasses.replace(found, kept_per_class=[3, 2, 1])
    path = run.labels / stats.STATS_FILE
    writing.write_json(path, dataclasses.asdict(other))
    with pytest.raises(InputError, match=r"its stats.json says \[3, 2, 1\]"):
        run.audit()

"""What an audit says of a made run whose every answer is known."""

import dataclasses
import json

import numpy as np
import pytest

from noisy_student.config import DataConfig, RunConfig
from noisy_student.data.truth import with_truth
from noisy_student.stages import experiment as experiment_module
from noisy_student.stages import predict
from noisy_student.stages.experiment import Experiment
from noisy_student.training import distribution
from tests.stages import audited_run
from tests.stages.audited_run import (
    CLASSES,
    IMAGES,
    KEPT,
    SURE,
    png,
    probabilities_of,
    source_of,
)


@pytest.fixture
def run(tmp_path, monkeypatch):
    return audited_run.make(tmp_path, monkeypatch)


def numbers(row, *names):
    """Cells as numbers; None where they are empty."""
    return [float(row[name]) if row[name] else None for name in names]


def test_classes_are_counted(run, capsys):
    run.audit()
    counted = "predicted predicted_known predicted_accuracy kept kept_known "
    names = f"{counted}kept_accuracy records student_agreement".split()
    rows = run.rows("per_class.csv")
    assert [row["class"] for row in rows] == list(CLASSES)
    expected = (
        [2, 2, 1 / 2, 2, 2, 1 / 2, 6, 1 / 2],
        [4, 3, 2 / 3, 3, 2, 1 / 2, 6, 1],
        [1, 1, 1, 1, 1, 1, 6, 1],
    )
    for row, values in zip(rows, expected, strict=True):
        assert numbers(row, *names) == pytest.approx(values)
    lines = capsys.readouterr().out.strip().split("\n")
    assert lines[0].startswith("There are no validation images")
    summary = json.loads(lines[-1])
    folder = run.directory / "audit/generation_01"
    assert summary.pop("directory") == str(folder)
    assert json.loads((folder / "audit.json").read_text()) == summary
    assert summary == {
        "generation": 1,
        "teacher": 0,
        "predicted": 7,
        "undecodable": 1,
        "predicted_accuracy": pytest.approx(4 / 6),
        "kept": 6,
        "records": 18,
        "kept_accuracy": pytest.approx(3 / 5),
        "student_agreement": pytest.approx(5 / 6),
        "teacher_calibration_error": None,
    }
    # The class that the student disputes most comes first.
    assert [" ".join(line.split()) for line in lines[3:-1]] == [
        "nought 2 50.00 % 2 50.00 % 6 50.00 %",
        "one 4 66.67 % 3 50.00 % 6 100.00 %",
        "two 1 100.00 % 1 100.00 % 6 100.00 %",
        "all 7 66.67 % 6 60.00 % 18 83.33 %",
    ]
    assert not (folder / "calibration.csv").exists()


def test_confidences_are_counted(run):
    run.audit()
    rows = run.rows("confidence.csv")
    assert len(rows) == 20
    assert numbers(rows[8], "low", "high") == [0.4, 0.45]
    counted = ("predicted", "predicted_accuracy", "kept", "kept_accuracy")
    assert numbers(rows[8], *counted) == [1, 1, 0, None]
    kept = {
        float(row["low"]): numbers(row, "kept", "kept_known", "kept_accuracy")
        for row in rows
        if row["kept"] != "0"
    }
    assert kept == {
        0.5: [1, 1, 1],
        0.6: [1, 1, 0],
        0.65: [1, 1, 0],
        0.8: [1, 1, 1],
        0.85: [1, 1, 1],
        0.9: [1, 0, None],
    }


def test_the_disputed_come_in_the_order_of_the_students_probability(run):
    run.audit()
    rows = run.rows("disputed.csv")
    folder = run.directory / "audit/generation_01"
    answers = {place: probabilities_of(IMAGES[place][0]) for place in KEPT}
    order = sorted(KEPT, key=lambda place: answers[place][IMAGES[place][2]])
    assert order[:2] == [2, 4]
    for rank, (place, row) in enumerate(zip(order, rows, strict=True), 1):
        grey, truth, label, top = IMAGES[place]
        prediction = answers[place].argmax()
        assert row["generation"] == "1"
        assert row["image"] == f"image {place} of the greys"
        assert numbers(row, "shard", "place") == [place % 2, place // 2]
        name = f"{rank:04d}_pseudo_{label}_student_{prediction}.png"
        assert row["file"] == f"disputed/{name}"
        assert (folder / row["file"]).read_bytes() == png(grey)
        assert row["pseudo_label"] == CLASSES[label]
        assert row["student_prediction"] == CLASSES[prediction]
        assert row["true_label"] == (CLASSES[truth] if truth >= 0 else "")
        found = numbers(
            row, "teacher_probability", "student_probability", "self_confidence"
        )
        expected = [top, answers[place].max(), answers[place][label]]
        assert found == pytest.approx(expected, abs=2e-6)


def test_fewer_disputed_images_replace_more(run):
    run.audit()
    run.audit(num_disputed=2)
    assert len(run.rows("disputed.csv")) == 2
    folder = run.directory / "audit/generation_01"
    assert sorted(path.name for path in (folder / "disputed").iterdir()) == [
        "0001_pseudo_0_student_2.png",
        "0002_pseudo_1_student_1.png",
    ]
    assert not list(run.directory.rglob("tmp.*"))


@pytest.mark.parametrize("size", [2, 4])
def test_devices_and_batches_make_no_difference(
    run, size, two_replicas, monkeypatch
):
    run.audit()
    expected = [run.rows(name) for name in ("per_class.csv", "disputed.csv")]
    devices = distribution.Devices(two_replicas)
    monkeypatch.setattr(predict, "local_devices", lambda *_: devices)
    run.audit(run=RunConfig("one_device", eval_batch_size=size))
    found = [run.rows(name) for name in ("per_class.csv", "disputed.csv")]
    assert found == expected


def test_the_teacher_is_calibrated_on_validation_images(
    run, capsys, monkeypatch
):
    images = [(0, 0), (100, 0), (200, 2), (150, 1), (190, 1)]
    validation = source_of(images, "validation")
    monkeypatch.setattr(Experiment, "validation", validation)
    run.audit()
    out = capsys.readouterr().out
    assert "There are no validation images" not in out
    # At 150 the classes 1 and 2 are equally likely; the others are sure.
    rows = run.rows("calibration.csv")
    filled = [row for row in rows if row["images"] != "0"]
    half, full = (
        numbers(row, "images", "accuracy", "confidence") for row in filled
    )
    confidences = [
        probabilities_of(grey, 2 * SURE).max() for grey in (0, 100, 200, 190)
    ]
    assert half == pytest.approx([1, 1, 0.5])
    assert full == pytest.approx([4, 0.5, np.mean(confidences)])
    error = (0.5 + 4 * (np.mean(confidences) - 0.5)) / 5
    summary = json.loads(out.strip().split("\n")[-1])
    assert summary["teacher_calibration_error"] == pytest.approx(error)
    picture = run.directory / "audit/generation_01/calibration.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_true_labels_may_come_later(run, capsys, monkeypatch, tmp_path):
    """Of an image that is of none of the classes the label is wrong."""
    truth = [-1, 1, 2, 1, 0, 1, 1, 2]
    np.save(tmp_path / "truth.npy", np.array(truth))
    monkeypatch.setattr(
        experiment_module,
        "open_task",
        lambda config, seed: with_truth(run.data, config.unlabel_truth),
    )
    stage = run.stage()
    data = DataConfig(unlabel_truth=str(tmp_path / "truth.npy"))
    stage.config = dataclasses.replace(stage.config, data=data)
    stage.validate()
    stage.run()
    summary = json.loads(capsys.readouterr().out.strip().split("\n")[-1])
    assert summary["kept_accuracy"] == pytest.approx(3 / 6)
    assert summary["predicted_accuracy"] == pytest.approx(4 / 7)
    rows = run.rows("disputed.csv")
    names = (*CLASSES, "(none of the classes)")
    assert {row["image"]: row["true_label"] for row in rows} == {
        f"image {place} of the greys": names[truth[place]] for place in KEPT
    }

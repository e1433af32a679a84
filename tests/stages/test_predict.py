"""Which teacher labels the images, and what is checked before it does."""

import json
import shutil
import types

import numpy as np
import pytest

from noisy_student import config, models, stages
from noisy_student.data import records
from noisy_student.models import efficientnet
from tests.stages import svhn


@pytest.fixture
def images(tmp_path):
    directory = tmp_path / "images"
    directory.mkdir()
    svhn.write_svhn(directory, {"train": 0, "test": 0, "extra": 0})
    return directory


def predicting(images, output_dir, checkpoint=svhn.CHECKPOINT, **groups):
    predict = config.PredictConfig(
        predict_ckpt_path=str(checkpoint), output_dir=str(output_dir)
    )
    settings = svhn.settings("predict", images, predict=predict, **groups)
    stage = stages.make_stage(settings)
    stage.validate()
    return stage


def test_an_original_checkpoint_predicts_its_probabilities(images, tmp_path):
    predicting(images, tmp_path / "p").run()
    path = tmp_path / "p/train-info-00000-of-00001-00000"
    [found] = records.read_predictions(path, 10)
    expected = np.exp(svhn.LOGITS)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_predictions_know_the_content_of_the_checkpoint(images, tmp_path):
    checkpoint = tmp_path / "moved/model.ckpt"
    checkpoint.parent.mkdir()
    for path in svhn.CHECKPOINT.parent.glob("model.ckpt.*"):
        shutil.copy(path, checkpoint.parent)
    predicting(images, tmp_path / "p").run()
    info = tmp_path / "p/info/info-00000-of-00001-00000.txt"
    teacher = json.loads(info.read_text())["made_from"]["teacher"]
    assert teacher == models.digest(svhn.CHECKPOINT)
    written = info.stat().st_mtime_ns
    predicting(images, tmp_path / "p", checkpoint).run()  # it is the same one
    assert info.stat().st_mtime_ns == written
    other = efficientnet.build_model(
        svhn.MODEL.for_task(predicting(images, "x").experiment.data.task, None)
    )
    models.save_model(other, tmp_path / "other.keras")
    stage = predicting(images, tmp_path / "p", tmp_path / "other.keras")
    with pytest.raises(ValueError, match="made of something else: teacher="):
        stage.run()


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (
            {"model": config.ModelConfig("efficientnet-b0")},
            r"stem/conv2d/kernel is \(3, 3, 3, 8\), not \(3, 3, 3, 32\)",
        ),
        ({"model": config.ModelConfig("b0")}, "Unknown model_name 'b0'"),
        (
            {"data": {"num_label_classes": 11}},
            r"head/dense/kernel is \(320, 10\), not \(320, 11\)",
        ),
    ],
)
def test_another_model_is_refused_before_anything_is_written(
    images, tmp_path, groups, message
):
    with pytest.raises(ValueError, match=message):
        predicting(images, tmp_path / "p", **groups)
    assert not (tmp_path / "p").exists()


def test_without_room_nothing_is_predicted(images, tmp_path, monkeypatch):
    stage = predicting(images, tmp_path / "p")
    monkeypatch.setattr(
        shutil, "disk_usage", lambda path: types.SimpleNamespace(free=100)
    )
    with pytest.raises(ValueError, match=r"Predictions take about .* free\."):
        stage.run()
    assert not list(tmp_path.glob("p/train-info*"))


def test_a_teacher_predicts_at_its_own_resolution(images, tmp_path):
    task = predicting(images, tmp_path).experiment.data.task
    built = models.build_model(svhn.MODEL.for_task(task, None))
    models.save_model(built, tmp_path / "teacher.keras")
    stage = predicting(
        images,
        tmp_path / "p",
        tmp_path / "teacher.keras",
        data={"input_image_size": 40},
    )
    with pytest.raises(ValueError, match="takes images of 32 pixels; leave"):
        stage.run()
    assert not list(tmp_path.glob("p/train-info*"))

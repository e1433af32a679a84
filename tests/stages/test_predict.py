"""Which teacher labels the images, and what is checked before it does."""

import dataclasses
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


NOISED = config.NoiseConfig("v1", randaug_mag=5, noise_teacher=True)


def predictions(directory):
    return [path.read_bytes() for path in sorted(directory.glob("train-info*"))]


def test_a_noised_teacher_goes_on_as_if_never_killed(images, tmp_path):
    groups = {
        "noise": config.NoiseConfig(noise_teacher=True),
        "pseudo_labels": config.PseudoLabelConfig(num_shards=2),
    }
    predicting(images, tmp_path / "p", **groups).run()
    whole = predictions(tmp_path / "p")
    infos = sorted(tmp_path.glob("p/info/*"))
    stamps = [json.loads(path.read_text())["made_from"] for path in infos]
    assert [stamp["teacher"] for stamp in stamps] == 2 * [
        f"{models.digest(svhn.CHECKPOINT)} noised: seed=0"
    ]
    infos[1].unlink()
    (tmp_path / "p/train-info-00001-of-00002-00000").write_bytes(b"")
    predicting(images, tmp_path / "p", **groups).run()
    assert predictions(tmp_path / "p") == whole


def test_predictions_with_and_without_noise_do_not_mix(images, tmp_path):
    quiet = config.NoiseConfig("v1", randaug_mag=5)
    predicting(images, tmp_path / "plain", noise=quiet).run()
    predicting(images, tmp_path / "noised", noise=NOISED).run()
    info = tmp_path / "plain/info/info-00000-of-00001-00000.txt"
    made_from = json.loads(info.read_text())["made_from"]
    assert sorted(made_from) == ["division", "images", "teacher"]
    assert made_from["teacher"] == models.digest(svhn.CHECKPOINT)
    assert predictions(tmp_path / "plain") != predictions(tmp_path / "noised")
    weaker = dataclasses.replace(NOISED, randaug_mag=1)
    for directory, groups, here in (
        (
            "plain",
            {"noise": NOISED},
            " noised: seed=0 augment_name=v1 randaug_mag=5",
        ),
        ("noised", {"noise": quiet}, "[0-9a-f]{64}"),
        ("noised", {"noise": weaker}, "[^']*randaug_mag=1"),
        ("noised", {"noise": NOISED, "seed": 1}, "[^']*seed=1 [^']*"),
    ):
        stage = predicting(images, tmp_path / directory, **groups)
        message = f"of something else: teacher='.*' there and '.*{here}' here"
        with pytest.raises(ValueError, match=message) as error:
            stage.run()
        assert "\n" not in str(error.value)


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

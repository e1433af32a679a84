"""What is checked before a model is trained, and where it starts from."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from noisy_student import memory, models, stages
from noisy_student.config import DataConfig, ModelConfig, TrainConfig
from noisy_student.stages import train
from noisy_student.stages.experiment import Experiment
from noisy_student.stages.training_input import Unlabeled
from noisy_student.training import distribution
from tests.settings import experiment
from tests.stages import svhn


@pytest.fixture
def opened(tmp_path):
    """An experiment whose targets need memory."""
    config = dataclasses.replace(
        experiment(tmp_path, "temporal_ensembling", unlabel_ratio=2),
        model=ModelConfig("efficientnet-b0", input_image_size=8),
        data=DataConfig("digits", input_image_size=8),
    )
    devices = distribution.Devices(tf.distribute.OneDeviceStrategy("CPU:0"))
    return Experiment.open(config, devices)


def test_a_finished_run_needs_no_memory(opened, monkeypatch, capsys):
    monkeypatch.setattr(memory, "available", lambda: 0)
    with pytest.raises(ValueError, match="set force_ensemble"):
        train.check_training(opened, Unlabeled.open(opened))
    assert "Temporal ensembling keeps" in capsys.readouterr().err
    (opened.config.directory / "model.keras").write_bytes(b"")
    train.check_training(opened, Unlabeled.open(opened))
    assert capsys.readouterr().err == ""


@pytest.fixture
def svhn_run(tmp_path):
    """Settings of a training on SVHN, with `train` settings."""
    svhn.write_svhn(tmp_path, {"train": 0, "test": 0, "extra": 0})

    def make(side=None, **train):
        return svhn.settings(
            "train",
            tmp_path,
            tmp_path / "run",
            data={"input_image_size": side},
            train=TrainConfig(
                train_batch_size=2, train_steps=1, warmup_epochs=0, **train
            ),
        )

    return make


@pytest.mark.slow
def test_an_original_checkpoint_teaches_at_its_own_resolution(
    svhn_run, fixtures
):
    settings = svhn_run(
        16,
        unlabel_ratio=1,
        teacher_model_path=str(svhn.CHECKPOINT),
        teacher_model_name="efficientnet-b0",
    )
    stage = stages.make_stage(settings)
    stage.validate()
    images = np.load(fixtures / "svhn_small/images.npy")
    np.testing.assert_allclose(
        stage.unlabeled.teacher(images), svhn.LOGITS, atol=1e-4
    )
    assert models.input_side(stage.experiment.model) == 16
    stage.run()


@pytest.mark.slow
def test_blocks_of_given_weights_may_be_frozen(svhn_run):
    settings = svhn_run(init_model=True, init_weights=str(svhn.CHECKPOINT))
    model = dataclasses.replace(settings.model, fix_layer_num=2)
    settings = dataclasses.replace(settings, model=model)
    stage = stages.make_stage(settings)
    stage.validate()
    stage.run()
    trained = models.load_model(settings.directory / "model.keras")
    given = models.load_pretrained(str(svhn.CHECKPOINT), stage.experiment.model)
    for layer, same in (("stem", True), ("blocks_1", True), ("logits", False)):
        pairs = zip(
            trained.get_layer(layer).get_weights(),
            given.get_layer(layer).get_weights(),
            strict=True,
        )
        assert all(np.array_equal(a, b) for a, b in pairs) == same, layer


@pytest.mark.parametrize(
    ("train", "frozen", "message"),
    [
        ({}, 2, "fix_layer_num=2 is for weights that were trained before"),
        ({"init_model": False, "init_weights": "/x"}, 0, "fix_layer_num=0"),
        ({"train_last_step_num": 1}, -1, "train_last_step_num=1 is for weig"),
        ({"init_model": True}, -1, "init_model needs init_weights"),
    ],
)
def test_settings_for_given_weights_need_some(svhn_run, train, frozen, message):
    settings = svhn_run(method="supervised", **train)
    model = dataclasses.replace(settings.model, fix_layer_num=frozen)
    with pytest.raises(ValueError, match=message):
        stages.make_stage(dataclasses.replace(settings, model=model)).validate()
    assert not settings.directory.exists()


def test_given_weights_of_another_model_are_refused(svhn_run):
    settings = svhn_run(init_weights=str(svhn.CHECKPOINT))
    model = dataclasses.replace(settings.model, depth_coefficient=1.0)
    settings = dataclasses.replace(settings, model=model)
    with pytest.raises(ValueError, match="missing: blocks_15/conv2d/kernel"):
        stages.make_stage(settings).validate()
    assert not settings.directory.exists()

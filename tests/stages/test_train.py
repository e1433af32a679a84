"""What is checked before a model is trained."""

import dataclasses

import pytest
import tensorflow as tf

from noisy_student import memory
from noisy_student.config import DataConfig, ModelConfig
from noisy_student.stages import train
from noisy_student.stages.experiment import Experiment
from noisy_student.training import distribution
from tests.settings import experiment


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
        train.check_training(opened)
    assert "Temporal ensembling keeps" in capsys.readouterr().err
    (opened.config.directory / "model.keras").write_bytes(b"")
    train.check_training(opened)
    assert capsys.readouterr().err == ""

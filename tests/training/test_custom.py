"""Networks of Keras' own layers train, on one device and on several."""

import numpy as np
import pytest

from noisy_student import models
from noisy_student.training import distribution
from tests.training.runs import DEVICES, run, train_config


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_network_of_keras_learns(replicas, two_replicas, tmp_path):
    """Bright and dark images are told apart; batch statistics are learnt."""
    devices = DEVICES if replicas == 1 else distribution.Devices(two_replicas)
    changes = {
        "devices": devices,
        "train_config": train_config(150, base_learning_rate=1.0),
    }
    metrics = run(tmp_path, changes, save_checkpoints_steps=150)
    assert metrics["top_1_accuracy"] > 0.9
    model = models.load_model(tmp_path / "model.keras")
    for statistic in models.moving_statistics(model):
        assert np.ptp(statistic.numpy()) > 0

"""The same mathematics on any devices, and in any number of parts."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from noisy_student.training import distribution
from tests import workers
from tests.training import replicas

ONE_DEVICE = distribution.Devices(tf.distribute.OneDeviceStrategy("CPU:0"))


@pytest.fixture(scope="module")
def one_device():
    return replicas.train(ONE_DEVICE)


def assert_same(ours, truth, atol=1e-5):
    np.testing.assert_allclose(ours[0], truth[0], atol=atol)
    assert len(ours[1]) == len(truth[1])
    # The weights have moved by more than is tolerated.
    middle = len(truth[1]) // 2
    pairs = zip(truth[1][:middle], truth[1][middle:], strict=True)
    assert max(np.abs(a - b).max() for a, b in pairs) > 10 * atol
    for a, b in zip(ours[1], truth[1], strict=True):
        np.testing.assert_allclose(a, b, atol=atol)


@pytest.mark.slow
def test_two_replicas_equal_one(one_device, two_replicas):
    devices = distribution.Devices(two_replicas)
    assert_same(replicas.train(devices), one_device)


@pytest.mark.slow
def test_two_worker_processes_equal_one(one_device, tmp_path):
    path = tmp_path / "outcome.npz"
    codes, _, errors = workers.run("-m", "tests.training.replicas", path)
    assert codes == [0, 0], errors
    saved = np.load(path)
    losses, *weights = (saved[name] for name in saved.files)
    assert_same((losses, weights), one_device)


def dense_model():
    """Without batch norm, whose statistics are a part's own."""
    return keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(7, "tanh"),
            keras.layers.Dense(5),
        ]
    )


@pytest.mark.slow
@pytest.mark.parametrize("parts", [2, 4])
def test_accumulated_parts_equal_the_whole_batch(parts, two_replicas):
    whole = replicas.train(ONE_DEVICE, 1, dense_model)
    assert_same(replicas.train(ONE_DEVICE, parts, dense_model), whole)
    devices = distribution.Devices(two_replicas)
    assert_same(replicas.train(devices, parts, dense_model), whole)

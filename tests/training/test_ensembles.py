"""Temporal ensembling in training: replicas, and runs that are killed."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from noisy_student import models
from noisy_student.config import TrainConfig
from noisy_student.methods import mean_teacher, pi_model, ramps
from noisy_student.training import averaging, loop, optimizers, trainer
from tests.training import ensembles
from tests.training.runs import run
from tests.training.test_trainer import Killed, kill_after

pytestmark = pytest.mark.usefixtures("short_network")


def dense_model():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(ensembles.CLASSES),
        ]
    )


def train(strategy, replicas, steps=8, size=8):
    """Targets and losses after so many steps on the same global batches."""
    method = ensembles.make_method(steps)
    with strategy.scope():
        keras.utils.set_random_seed(0)
        student, average = dense_model(), dense_model()
        averaging.start(average, student)
        # Its beta1 falls, which each replica has to find out by itself.
        optimizer = optimizers.Adam(0.01, 0.9, 0.5, ramps.Ramps(steps, 2, 4))
        optimizer.build(student.trainable_variables)
        config = TrainConfig(weight_decay=0.0, moving_average_decay=0.9)
        train_loop = loop.TrainLoop(method, student, average, optimizer, config)
        pieces = (
            ensembles.dataset(steps, size).unbatch().batch(size // replicas)
        )
        iterator = iter(
            strategy.distribute_datasets_from_function(lambda _: pieces)
        )
        losses = [
            train_loop(iterator, 1).metrics["train/loss"] for _ in range(steps)
        ]
    return ensembles.state_of(method), losses


def test_two_replicas_give_the_targets_of_one(two_replicas):
    """Also where an image comes twice in a batch, on both of them."""
    one, losses = train(tf.distribute.OneDeviceStrategy("CPU:0"), 1)
    two, same_losses = train(two_replicas, 2)
    np.testing.assert_array_equal(one["counts"], two["counts"])
    np.testing.assert_allclose(one["sums"], two["sums"], atol=1e-5)
    np.testing.assert_allclose(losses, same_losses, atol=1e-5)
    assert one["counts"].min() > 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", [mean_teacher.MeanTeacher, pi_model.PiModel])
def test_a_killed_run_draws_as_one_that_was_not(tmp_path, monkeypatch, kind):
    """The teacher's dropout too."""

    def start(name):
        method = ensembles.make_method(kind=kind)
        run(tmp_path / name, ensembles.changes(method))
        return models.load_model(tmp_path / name / "model.keras").get_weights()

    truth = start("whole")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_after(patch, trainer._Trainer, "_train_until", 3)
        start("run")
    for ours, theirs in zip(start("run"), truth, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What an uninterrupted run ends with: its metrics, and its targets."""
    method = ensembles.make_method()
    directory = tmp_path_factory.mktemp("whole")
    metrics = run(directory, ensembles.changes(method))
    return metrics, ensembles.state_of(method)


@pytest.mark.slow
@pytest.mark.parametrize("calls", [3, 5])
def test_a_killed_run_goes_on_with_the_same_targets(
    whole, tmp_path, monkeypatch, calls
):
    metrics, truth = whole
    resumed = ensembles.make_method()
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_after(patch, trainer._Trainer, "_train_until", calls)
        run(tmp_path, ensembles.changes(ensembles.make_method()))
    # Steps 10 and 20 are in the midst of epochs: 4 images of 6, and of 10.
    again = run(tmp_path, ensembles.changes(resumed))
    assert again | {"seconds": 0} == metrics | {"seconds": 0}
    ours = ensembles.state_of(resumed)
    for name in truth:
        np.testing.assert_array_equal(ours[name], truth[name])
    assert truth["counts"].sum() > 30 * ensembles.LABELED
    own = tmp_path / "checkpoints/worker_0"
    assert sorted(path.stem for path in own.glob("*.index")) == [
        "ckpt-10",
        "ckpt-20",
        "ckpt-30",
    ]

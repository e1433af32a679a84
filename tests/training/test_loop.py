import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from noisy_student import methods
from noisy_student.training import loop, optimizers
from tests.training.test_step import (
    IMAGES,
    LABELS,
    SETTINGS,
    dense_model,
    image_batch,
    small_step,
)

pytestmark = pytest.mark.usefixtures("short_network")


def nan_from(step_number):
    """Batches whose images are no numbers from a step on."""

    def at(index):
        poison = tf.where(index + 1 >= step_number, np.nan, 0.0)
        return {
            "image": IMAGES + tf.cast(poison, tf.float32),
            "label": LABELS,
            "label_weight": tf.ones(len(LABELS)),
        }

    return iter(tf.data.Dataset.counter().map(at))


def dense_loop(stop=None):
    student, average = dense_model(), dense_model()
    optimizer = optimizers.RMSprop(0.01)
    optimizer.build(student.trainable_variables)
    train_loop = loop.TrainLoop(
        methods.Supervised(0.1), student, average, optimizer, SETTINGS, stop
    )
    return train_loop, optimizer


def test_a_step_without_a_loss_is_told_of_and_changes_nothing():
    train_loop, optimizer = dense_loop()
    train_loop(nan_from(4), 3)
    models = (train_loop.student, train_loop.average)
    before = [model.get_weights() for model in models]
    kept = [variable.numpy() for variable in optimizer.variables[1:]]
    result = train_loop(nan_from(1), 4)
    assert result.failure.step == 0 and not result.stopped
    assert np.isnan(result.failure.metrics["train/loss"])
    assert int(optimizer.iterations) == 7  # the call went on
    for model, olds in zip(models, before, strict=True):
        for old, new in zip(olds, model.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)
    for old, new in zip(kept, optimizer.variables[1:], strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_first_failure_of_a_call_is_told():
    train_loop, _ = dense_loop()
    assert train_loop(nan_from(20), 5).failure is None
    assert train_loop(nan_from(4), 9).failure.step == 3


def test_the_loop_ends_when_asked():
    stop = tf.Variable(0.0)
    train_loop, optimizer = dense_loop(stop)
    batches = nan_from(1000)
    assert not train_loop(batches, 3).stopped
    stop.assign(1.0)
    assert train_loop(batches, 25).stopped
    assert int(optimizer.iterations) == 3 + train_loop.stop_check_steps


@pytest.mark.slow
@pytest.mark.parametrize(("replicas", "pieces"), [(1, 2), (2, 1)])
def test_a_failed_step_leaves_every_variable(replicas, pieces, two_replicas):
    """Also where only one piece on one of the replicas has no loss."""
    strategy = tf.distribute.OneDeviceStrategy("CPU:0")
    if replicas == 2:
        strategy = two_replicas
    whole = image_batch()
    bad = replicas * pieces * 2 - 1  # the last piece of the second step

    def piece(number):
        factor = tf.where(number == bad, np.inf, 1.0)
        return whole | {
            "label_weight": tf.ones(2) * tf.cast(factor, tf.float32)
        }

    with strategy.scope():
        made = small_step()
        settings = dataclasses.replace(SETTINGS, accumulation_steps=pieces)
        train_loop = dataclasses.replace(made, train=settings)
        keys = [*train_loop.method.batch_keys]
        batches = tf.data.Dataset.counter().map(piece)
        batches = batches.map(lambda batch: {key: batch[key] for key in keys})
        drawn = iter(
            strategy.distribute_datasets_from_function(lambda _: batches)
        )
        kept = [
            *made.student.weights,
            *made.average.weights,
            *[v for v in made.optimizer.variables if "iter" not in v.path],
        ]
        assert train_loop(drawn, 1).failure is None
        before = copies(kept)
        assert train_loop(drawn, 1).failure.step == 0
        for old, new in zip(before, copies(kept), strict=True):
            np.testing.assert_array_equal(old, new)
        assert train_loop(drawn, 1).failure is None
        same = [
            np.array_equal(old, new)
            for old, new in zip(before, copies(kept), strict=True)
        ]
    assert np.mean(same) < 0.1


def copies(variables):
    """The values on all replicas."""
    return [
        part.numpy()
        for variable in variables
        for part in getattr(variable.value, "values", [variable])
    ]


@pytest.mark.slow
def test_steps_are_the_same_however_many_a_call():
    """To the bit, so that runs that were interrupted end the same."""

    def weights(*calls):
        train_loop = small_step()
        batch = image_batch()
        batch = {key: batch[key] for key in train_loop.method.batch_keys}
        batches = iter(tf.data.Dataset.from_tensors(batch).repeat())
        for number in calls:
            train_loop(batches, number)
        return train_loop.average.get_weights()

    for a, b in zip(weights(5), weights(1, 3, 1), strict=True):
        np.testing.assert_array_equal(a, b)

"""Float16: gradients as those of float32, and steps that overflow."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from noisy_student import methods, models
from noisy_student.training import averaging, loop, optimizers
from noisy_student.training.loss_scale import LossScale
from tests.training.test_loop import dense_loop, nan_from
from tests.training.test_step import SETTINGS, SMALL, image_batch

pytestmark = pytest.mark.usefixtures("short_network")


def scaled(*changes):
    """Factors after each of some steps."""
    scale = LossScale()
    factors = []
    for is_finite in changes:
        scale.update(tf.constant(is_finite))
        factors.append(float(scale.factor))
    return scale, factors


def test_the_factor_is_halved_where_a_gradient_overflows():
    scale, factors = scaled(True, False, False, True)
    assert factors == [2**15, 2**14, 2**13, 2**13]
    assert int(scale.skipped_steps) == 2


def test_the_factor_is_doubled_after_2000_good_steps():
    scale, _ = scaled(False)
    step = tf.function(lambda: scale.update(tf.constant(True)))
    for _ in range(1999):
        step()
    assert float(scale.factor) == 2**14
    step()
    assert float(scale.factor) == 2**15
    step()
    assert float(scale.factor) == 2**15


def test_the_factor_does_not_fall_below_1():
    scale, factors = scaled(*[False] * 16)
    assert factors[-2:] == [1, 1]
    assert not scale.may_shrink()


class Overflowing(methods.Supervised):
    """A gradient, not a loss, that is beyond all numbers in some step."""

    def __init__(self, at):
        super().__init__(0.1)
        self.at = at

    def compute_losses(self, student, average, batch, step):
        factor = tf.where(step == self.at, np.inf, 1.0)

        @tf.custom_gradient
        def spoil(x):
            return tf.identity(x), lambda upstream: upstream * factor

        model = lambda x, training: spoil(student(x, training=training))  # noqa: E731
        return super().compute_losses(model, average, batch, step)


def overflowing_loop(at, scale):
    train_loop, optimizer = dense_loop()
    made = dataclasses.replace(
        train_loop, method=Overflowing(at), loss_scale=scale
    )
    return made, optimizer


def test_a_gradient_alone_is_skipped_and_counted():
    scale = LossScale()
    train_loop, optimizer = overflowing_loop(3, scale)
    batches = nan_from(1000)
    train_loop(batches, 3)
    before = train_loop.average.get_weights()
    assert train_loop(batches, 1).failure is None
    assert int(scale.skipped_steps) == 1 and float(scale.factor) == 2**14
    for old, new in zip(before, train_loop.average.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert train_loop(batches, 2).failure is None
    assert int(scale.skipped_steps) == 1 and int(optimizer.iterations) == 6
    assert not np.array_equal(before[0], train_loop.average.get_weights()[0])


def test_a_gradient_alone_fails_without_a_scale_that_could_shrink():
    train_loop, _ = overflowing_loop(3, None)
    failure = train_loop(nan_from(1000), 6).failure
    assert failure.step == 3 and np.isfinite(failure.metrics["train/loss"])
    scale = LossScale()
    scale.factor.assign(1.0)
    train_loop, _ = overflowing_loop(3, scale)
    assert train_loop(nan_from(1000), 6).failure.step == 3


@pytest.mark.parametrize("pieces", [1, 2])
def test_a_loss_that_is_no_number_fails_under_any_scale(pieces):
    """A smaller factor would not help it."""
    train_loop, _ = overflowing_loop(-1, LossScale())
    settings = dataclasses.replace(SETTINGS, accumulation_steps=pieces)
    train_loop = dataclasses.replace(train_loop, train=settings)
    failure = train_loop(nan_from(2 * pieces + 1), 4).failure
    assert failure.step == 2 and np.isnan(failure.metrics["train/loss"])


def test_a_scale_changes_no_step():
    """Powers of 2 cost no digits."""
    outcomes = []
    for scale in (None, LossScale()):
        train_loop, _ = overflowing_loop(-1, scale)
        train_loop(nan_from(1000), 3)
        outcomes.append(train_loop.student.get_weights())
    for plain, ours in zip(*outcomes, strict=True):
        np.testing.assert_array_equal(plain, ours)


def gradients(precision):
    config = dataclasses.replace(
        SMALL,
        precision=precision,
        dropout_rate=0.0,
        stochastic_depth_rate=0.0,
    )
    keras.utils.set_random_seed(0)
    student, average = (models.build_model(config) for _ in range(2))
    averaging.start(average, student)
    optimizer = optimizers.SGD(0.0)
    optimizer.build(student.trainable_variables)
    scale = LossScale() if precision == "float16" else None
    train_loop = loop.TrainLoop(
        methods.Supervised(0.1),
        student,
        average,
        optimizer,
        SETTINGS,
        loss_scale=scale,
    )
    found, metrics, _ = tf.function(train_loop._gradients)(image_batch())
    factor = float(scale.factor) if scale else 1.0
    return [g.numpy() / factor for g in found], metrics


@pytest.mark.slow
def test_gradients_are_those_of_float32_within_the_error_of_float16():
    truth, metrics = gradients("float32")
    ours, same_metrics = gradients("float16")
    assert all(m.dtype == tf.float32 for m in same_metrics.values())
    loss = float(metrics["train/loss"])
    assert float(same_metrics["train/loss"]) == pytest.approx(loss, rel=2e-3)
    whole = np.concatenate([g.ravel() for g in truth])
    halves = np.concatenate([g.ravel() for g in ours])
    error = np.linalg.norm(halves - whole) / np.linalg.norm(whole)
    assert 0 < error < 0.02
    for half, full in zip(ours, truth, strict=True):
        if np.abs(full).max() > 1e-3 * np.abs(whole).max():
            cosine = (half * full).sum() / (
                np.linalg.norm(half) * np.linalg.norm(full)
            )
            assert cosine > 0.99


def test_variables_and_logits_are_float32():
    model = models.build_model(dataclasses.replace(SMALL, precision="float16"))
    assert {v.dtype for v in model.weights} == {"float32"}
    assert model.output.dtype == "float32"
    assert model.get_layer("blocks_1").output.dtype == "float16"

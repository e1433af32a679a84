"""What a TPU needs: the whole step, compiled."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from noisy_student import methods
from noisy_student.config import ConsistencyConfig, TrainConfig
from noisy_student.methods import mean_teacher
from noisy_student.models import efficientnet
from noisy_student.training import optimizers, schedules
from tests.training.test_step import SMALL, image_batch, small_step

pytestmark = pytest.mark.usefixtures("short_network")


def mean_teacher_step(config):
    """With Adam and its ramps."""
    train = TrainConfig(
        "mean_teacher",
        unlabel_ratio=2,
        train_steps=5,
        optimizer="adam",
        learning_rate_schedule="ramps",
        max_learning_rate=0.01,
        label_smoothing=0.0,
    )
    context = methods.MethodContext(
        train, ConsistencyConfig(max_consistency_weight=100.0), 3, 5, 10
    )
    learning_rate = schedules.learning_rate(train, num_labeled=5)
    optimizer = optimizers.make_optimizer(train, 5, learning_rate)
    method = mean_teacher.MeanTeacher(context)
    return small_step(config, method=method, optimizer=optimizer)


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        lambda config: small_step(config, efficientnet.build_model(config)),
        mean_teacher_step,
    ],
    ids=["noisy_student", "mean_teacher"],
)
def test_xla_compiles_the_whole_step(make):
    """As on a TPU: teacher, student with noise, optimizer and average."""
    compiled = make(dataclasses.replace(SMALL, use_bfloat16=True))
    before = [w.numpy() for w in compiled.average.weights]
    run = tf.function(compiled.step, jit_compile=True)
    losses = [float(run(image_batch())["train/loss"]) for _ in range(3)]
    assert np.isfinite(losses).all() and len(set(losses)) == 3
    assert int(compiled.optimizer.iterations) == 3
    moved = [
        not np.array_equal(old, new)
        for old, new in zip(before, compiled.average.weights, strict=True)
    ]
    assert np.mean(moved) > 0.95


@pytest.mark.slow
def test_xla_computes_the_same():
    quiet = dataclasses.replace(
        SMALL, dropout_rate=0.0, stochastic_depth_rate=0.0
    )
    plain, compiled = small_step(quiet), small_step(quiet)
    tf.function(plain.step)(image_batch())
    tf.function(compiled.step, jit_compile=True)(image_batch())
    for a, b in zip(
        plain.average.weights, compiled.average.weights, strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-5)

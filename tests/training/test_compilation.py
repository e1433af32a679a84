"""XLA compiles each method's step, as on GPUs and TPUs, to the same result."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from noisy_student import methods, models
from noisy_student.config import ConsistencyConfig, TrainConfig
from noisy_student.config.training import OPTIMIZERS
from noisy_student.errors import InputError
from noisy_student.methods import noisy_student
from noisy_student.models import batch_norm
from noisy_student.training import (
    averaging,
    compilation,
    loop,
    optimizers,
)
from tests.training.test_loop import nan_from
from tests.training.test_step import SETTINGS, SMALL, dense_model, image_batch

STEPS = 3
TRAIN = TrainConfig(
    unlabel_ratio=2,
    train_steps=10,
    label_smoothing=0.1,
    moving_average_decay=0.9,
)


def make_method(name, train):
    if name == "teacher in the step":
        teacher = models.build_model(SMALL)
        teacher.trainable = False
        return noisy_student.NoisyStudent(0.1, 2.0, 1.0, teacher)
    consistency = ConsistencyConfig(max_consistency_weight=10.0)
    context = methods.MethodContext(
        train, consistency, 3, 5, 10, 5, 10, has_records=True
    )
    return methods.find(name).from_context(context)


def train_loop(name, compiled, model=SMALL, **changes):
    keras.utils.set_random_seed(0)
    train = dataclasses.replace(TRAIN, method=name, **changes)
    method = make_method(name, train)
    student, average = (models.build_model(model) for _ in range(2))
    averaging.start(average, student)
    # Adam would make large steps of the rounding of gradients near zero.
    optimizer = optimizers.RMSprop(0.003)
    optimizer.build(student.trainable_variables)
    return loop.TrainLoop(
        method, student, average, optimizer, train, compiled=compiled
    )


def batches(method):
    whole = image_batch() | {
        "row": tf.constant([0, 4], tf.int64),
        "unlabeled_row": tf.constant([1, 9, 3, 2], tf.int64),
    }
    batch = {key: whole[key] for key in method.batch_keys}
    return iter(tf.data.Dataset.from_tensors(batch).repeat())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "pieces"),
    [
        *[(name, 1) for name in (*methods.names(), "teacher in the step")],
        ("supervised", 2),
        ("temporal_ensembling", 2),
    ],
)
@pytest.mark.usefixtures("short_network")
def test_a_compiled_step_computes_the_same(name, pieces):
    outcomes = []
    for compiled in (False, True):
        made = train_loop(name, compiled, accumulation_steps=pieces)
        drawn = batches(made.method)
        losses = [made(drawn, 1).metrics["train/loss"] for _ in range(STEPS)]
        weights = [*made.student.get_weights(), *made.average.get_weights()]
        outcomes.append([np.array(losses), *weights])
    assert len(set(outcomes[0][0])) == STEPS
    for plain, compiled in zip(*outcomes, strict=True):
        np.testing.assert_allclose(plain, compiled, atol=1e-5)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimizer_is_compiled(name):
    outcomes = []
    for compiled in (False, True):
        train = dataclasses.replace(SETTINGS, optimizer=name)
        student, average = dense_model(), dense_model()
        averaging.start(average, student)
        optimizer = optimizers.make_optimizer(train, 5, 0.01)
        optimizer.build(student.trainable_variables)
        made = loop.TrainLoop(
            methods.Supervised(0.1),
            student,
            average,
            optimizer,
            train,
            compiled=compiled,
        )
        made(nan_from(1000), STEPS)
        outcomes.append([*student.get_weights(), *average.get_weights()])
    for plain, compiled in zip(*outcomes, strict=True):
        np.testing.assert_allclose(plain, compiled, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.usefixtures("short_network")
def test_a_compiled_step_has_any_precision(precision):
    model = dataclasses.replace(SMALL, precision=precision)
    made = train_loop("supervised", True, model)
    result = made(batches(made.method), STEPS)
    assert np.isfinite(result.metrics["train/loss"])
    assert result.failure is None


def test_a_groups_norm_is_compiled():
    layer = batch_norm.BatchNormalization()
    layer.build((None, 4, 4, 3))
    inputs = tf.random.stateless_normal((2, 4, 4, 3), (0, 1))
    run = tf.function(layer._normalize_group, jit_compile=True)
    for ours, truth in zip(
        run(inputs, 1), layer._normalize(inputs), strict=True
    ):
        np.testing.assert_allclose(ours, truth, atol=1e-5)


def test_an_operation_that_xla_lacks_is_named():
    step = compilation.compiled(
        lambda x: tf.strings.to_number(tf.strings.as_string(x))
    )
    with (
        pytest.raises(InputError, match=r"=mine: .* AsString\. Set jit"),
        compilation.errors_named("mine"),
    ):
        step(tf.constant(1.0))


def test_what_is_compiled(two_replicas):
    one = tf.distribute.OneDeviceStrategy("CPU:0")
    assert not compilation.is_compiled(one, "auto")
    assert not compilation.is_compiled(one, "false")
    assert compilation.is_compiled(one, "true")
    assert not compilation.is_compiled(two_replicas, "auto")
    with pytest.raises(ValueError, match="there are 2 replicas"):
        compilation.is_compiled(two_replicas, "true")

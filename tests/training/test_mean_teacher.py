"""Mean teacher's averaged weights, as the trainer moves them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from noisy_student import methods, models
from noisy_student.config import ConsistencyConfig, ModelConfig, TrainConfig
from noisy_student.methods import mean_teacher
from noisy_student.training import averaging, loop, optimizers

pytestmark = pytest.mark.usefixtures("short_network")

MODEL = ModelConfig(
    "efficientnet-b0",
    num_classes=3,
    input_image_size=8,
    width_coefficient=0.1,
    depth_coefficient=0.1,
    small_image_model=True,
)
UP, STEPS = 4, 9


def make_batch(generator):
    def images():
        return generator.uniform(0, 255, (4, 8, 8, 3)).astype(np.float32)

    return {
        "image": images(),
        "second_image": images(),
        "label": generator.integers(0, 3, 4),
        "label_weight": np.ones(4, np.float32),
        "unlabeled_image": images(),
        "unlabeled_second_image": images(),
        "unlabeled_weight": np.ones(4, np.float32),
    }


@pytest.fixture(params=["one", pytest.param("two", marks=pytest.mark.slow)])
def strategy(request, two_replicas):
    if request.param == "two":
        return two_replicas
    return tf.distribute.OneDeviceStrategy("CPU:0")


def test_the_teacher_is_the_average_in_closed_form(strategy):
    """Moving statistics too, which the teacher's own passes leave alone."""
    train = TrainConfig(
        "mean_teacher",
        unlabel_ratio=1,
        train_steps=10,
        ramp_up_steps=UP,
        label_smoothing=0.1,
    )
    consistency = ConsistencyConfig(
        max_consistency_weight=100.0,
        teacher_decay=0.9,
        teacher_decay_ramp_up=0.5,
    )
    method = mean_teacher.MeanTeacher(
        methods.MethodContext(train, consistency, 3, 10, 20)
    )
    generator = np.random.default_rng(0)
    batches = tf.data.Dataset.from_generator(
        lambda: (make_batch(generator) for _ in range(100)),
        output_signature={
            key: tf.TensorSpec(x.shape, x.dtype)
            for key, x in make_batch(generator).items()
        },
    )
    with strategy.scope():
        keras.utils.set_random_seed(0)
        student, average = (models.build_model(MODEL) for _ in range(2))
        averaging.start(average, student)
        optimizer = optimizers.RMSprop(0.03)
        optimizer.build(student.trainable_variables)
        config = TrainConfig(weight_decay=0.0, moving_average_decay=0.123)
        train_loop = loop.TrainLoop(method, student, average, optimizer, config)
        iterator = iter(
            strategy.distribute_datasets_from_function(lambda _: batches)
        )
        history = [[w.numpy() for w in student.weights]]
        for _ in range(STEPS):
            train_loop(iterator, 1)
            history.append([w.numpy() for w in student.weights])
    # theta' = sum_i (1 - a_i) prod_{j > i} a_j theta_i, the first with 1.
    decays = np.array([0.5 if n < UP else 0.9 for n in range(1, STEPS + 1)])
    shares = [
        (1 if i == 0 else 1 - decays[i - 1]) * decays[i:].prod()
        for i in range(STEPS + 1)
    ]
    assert sum(shares) == pytest.approx(1)
    for index, weight in enumerate(average.weights):
        expected = sum(
            share * weights[index]
            for share, weights in zip(shares, history, strict=True)
        )
        np.testing.assert_allclose(
            weight.numpy(), expected, atol=1e-5, err_msg=weight.path
        )
    moved = [
        np.abs(a - b).max()
        for a, b in zip(history[0], history[-1], strict=True)
    ]
    assert np.mean(np.array(moved) > 1e-3) > 0.9

import keras
import numpy as np
import tensorflow as tf

from noisy_student.models import batch_norm, dropout
from noisy_student.training import averaging


def test_average_follows_the_original(fixtures):
    trace = np.load(fixtures / "schedule/ema_trace.npz")
    student, average = (
        keras.Sequential([keras.Input((4,)), Weights()]) for _ in range(2)
    )
    student.set_weights([trace["values"][0]])
    averaging.start(average, student)
    for index, step in enumerate(trace["num_updates"]):
        student.set_weights([trace["values"][index + 1]])
        decay = averaging.decay_at(step, float(trace["decay"]))
        averaging.update(average, student, decay)
        np.testing.assert_allclose(
            average.get_weights()[0], trace["shadow"][index + 1], rtol=1e-4
        )


class Weights(keras.layers.Layer):
    def build(self, input_shape):
        self.vector = self.add_weight(shape=(4,))

    def call(self, inputs):
        return inputs * self.vector


def build():
    return keras.Sequential(
        [
            keras.Input((3, 3, 2)),
            batch_norm.BatchNormalization(),
            dropout.Dropout(0.5),
        ]
    )


def test_moving_statistics_are_averaged_and_random_states_are_not():
    student, average = build(), build()
    averaging.start(average, student)
    before = [weight.numpy() for weight in average.weights]
    states = [v.numpy() for v in average.variables if "seed" in v.name]
    student(np.random.default_rng(0).normal(size=(8, 3, 3, 2)), training=True)
    averaging.update(average, student, tf.constant(0.25))
    names = [weight.name for weight in student.weights]
    assert names == ["gamma", "beta", "moving_mean", "moving_variance"]
    for old, mean, new in zip(
        before, average.weights, student.weights, strict=True
    ):
        np.testing.assert_allclose(
            mean, 0.25 * old + 0.75 * new.numpy(), rtol=1e-5
        )
    after = [v.numpy() for v in average.variables if "seed" in v.name]
    np.testing.assert_array_equal(states, after)
    assert len(states) == 1


def test_average_is_the_same_on_two_replicas(two_replicas):
    with two_replicas.scope():
        student, average = build(), build()
        averaging.start(average, student)
        student.weights[0].assign([3.0, 5.0])

        @tf.function
        def update():
            averaging.update(average, student, tf.constant(0.5))

        two_replicas.run(update)
    for copy in average.weights[0].value.values:
        np.testing.assert_allclose(copy, [2.0, 3.0])

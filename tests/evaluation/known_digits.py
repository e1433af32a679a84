"""A small network that knows the digits, and attacks on it."""

import functools

import keras
import numpy as np
import tensorflow as tf

from noisy_student.data import digits

EPSILONS = (1.0, 8.0, 24.0, 64.0)
STEPS = 10


@functools.cache
def examples(training=False):
    """The images, float32 (images, 8, 8, 3), and their labels."""
    source = digits.load(0)[0 if training else 1]
    found = list(source.read().as_numpy_iterator())
    images = [
        tf.io.decode_png(each["encoded"], channels=3).numpy() for each in found
    ]
    labels = np.array([each["label"] for each in found])
    return np.array(images, np.float32), labels


def network():
    """One with convolutions, and dropout that an attack must not see."""
    images = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(16, 3, activation="swish")(images / 255)
    x = keras.layers.Conv2D(32, 3, activation="swish")(x)
    x = keras.layers.Dropout(0.3)(keras.layers.Flatten()(x))
    return keras.Model(images, keras.layers.Dense(10)(x))


@functools.cache
def weights():
    """Those of the trained network; call it in no strategy's scope."""
    keras.utils.set_random_seed(0)
    model = network()
    model.compile(
        keras.optimizers.Adam(3e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(*examples(training=True), 64, epochs=8, verbose=0)
    return model.get_weights()


def trained():
    """The network, built in the current scope; `weights` were made before."""
    model = network()
    model.set_weights(weights())
    return model


def attacked(attack, model, images, labels, epsilon, rows=None):
    rows = np.arange(len(labels)) if rows is None else rows

    @tf.function
    def run(epsilon):
        return attack.of(
            model, tf.constant(images), tf.constant(labels), tf.constant(rows)
        )(epsilon)

    return run(tf.constant(epsilon, tf.float32)).numpy()


def accuracy(model, images, labels):
    return (model(images, training=False).numpy().argmax(1) == labels).mean()

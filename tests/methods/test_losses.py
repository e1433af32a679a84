import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax, softmax

from noisy_student.methods import losses

GENERATOR = np.random.default_rng(0)
LOGITS = GENERATOR.normal(size=(6, 5)).astype(np.float32)
PROBABILITIES = softmax(GENERATOR.normal(size=(6, 5)), axis=1).astype(
    np.float32
)


def test_cross_entropy_against_numpy():
    expected = -(PROBABILITIES * log_softmax(LOGITS, axis=1)).sum(axis=1)
    ours = losses.cross_entropy(PROBABILITIES, LOGITS)
    assert ours.shape == (6,)
    np.testing.assert_allclose(ours, expected, rtol=1e-5)


def test_no_gradient_flows_into_the_targets():
    targets, logits = tf.constant(PROBABILITIES), tf.constant(LOGITS)
    with tf.GradientTape() as tape:
        tape.watch([targets, logits])
        loss = losses.cross_entropy(targets, logits)
    into_targets, into_logits = tape.gradient(loss, [targets, logits])
    assert into_targets is None
    np.testing.assert_allclose(
        into_logits, softmax(LOGITS, axis=1) - PROBABILITIES, atol=1e-6
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_smoothing_equals_keras(smoothing):
    labels = np.array([0, 3, 4, 1, 1, 2])
    ours = losses.cross_entropy(
        losses.smooth_one_hot(labels, 5, smoothing), LOGITS
    )
    truth = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=smoothing, reduction=None
    )(keras.ops.one_hot(labels, 5), LOGITS)
    np.testing.assert_allclose(ours, truth, rtol=1e-5)


@pytest.mark.parametrize("temperature", [0.01, 0.25, 1.0, 4.0])
def test_sharpening_probabilities_is_scaling_logits(temperature):
    ours = losses.sharpen(tf.nn.softmax(LOGITS), temperature)
    np.testing.assert_allclose(
        ours, softmax(LOGITS / temperature, axis=1), rtol=1e-3, atol=1e-6
    )


def test_weight_decay_leaves_out_batch_norm_alone():
    model = keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            keras.layers.Conv2D(2, 1),
            keras.layers.BatchNormalization(),
        ]
    )
    kernel, bias = model.layers[0].get_weights()
    bias = bias + 2  # decayed, as in the original
    model.layers[0].set_weights([kernel, bias])
    ours = losses.weight_decay(model.trainable_variables)
    expected = ((kernel**2).sum() + (bias**2).sum()) / 2
    assert float(ours) == pytest.approx(expected, rel=1e-5)

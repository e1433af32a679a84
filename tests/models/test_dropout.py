import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from noisy_student import models
from noisy_student.models import dropout
from tests.models.small import SMALL

IMAGES = tf.constant(
    np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
)


def random_features(seed=0, batch=6):
    generator = np.random.default_rng(seed)
    return generator.normal(2, 3, (batch, 5, 4, 7)).astype(np.float32)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_stochastic_depth_drops_examples_at_its_rate(rate):
    keras.utils.set_random_seed(1)
    layer = dropout.StochasticDepth(rate)
    features = tf.ones([4000, 2, 2, 3])
    outputs = layer(features, training=True).numpy()
    per_example = outputs.reshape(4000, -1)
    # All of an example or nothing, and survivors make up for the dropped.
    assert np.all(per_example == per_example[:, :1])
    kept = per_example[:, 0] > 0
    np.testing.assert_allclose(per_example[kept], 1 / (1 - rate), rtol=1e-6)
    sigma = (rate * (1 - rate) / 4000) ** 0.5
    assert abs((1 - kept.mean()) - rate) < 4 * sigma


def test_dropout_drops_single_units():
    keras.utils.set_random_seed(1)
    outputs = dropout.Dropout(0.3)(tf.ones([200, 50]), training=True).numpy()
    assert abs((outputs == 0).mean() - 0.3) < 0.02
    assert len(np.unique((outputs == 0).sum(axis=1))) > 5


@pytest.mark.parametrize("layer", [dropout.Dropout, dropout.StochasticDepth])
def test_noise_is_off_in_inference(layer):
    features = tf.constant(random_features())
    np.testing.assert_array_equal(layer(0.5)(features), features)


def test_replicas_draw_different_masks(two_replicas):
    with two_replicas.scope():
        layer = dropout.Dropout(0.5)

    @tf.function
    def masks():
        return two_replicas.run(lambda: layer(tf.ones([100]), training=True))

    first, second = (mask.numpy() for mask in masks().values)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, masks().values[0].numpy())


def test_xla_compiles_the_noise():
    layer = dropout.StochasticDepth(0.5)
    draw = tf.function(
        lambda: layer(tf.ones([100, 1, 1, 1]), training=True), jit_compile=True
    )
    first, second = draw().numpy(), draw().numpy()
    assert not np.array_equal(first, second)
    assert 25 < np.sum(first == 0) < 75


@pytest.mark.parametrize("remat", [False, True])
def test_a_teachers_pass_is_noised_and_moves_no_statistics(remat):
    model = models.build_model(dataclasses.replace(SMALL, remat=remat))
    call = tf.function(lambda x: models.call_as_teacher(model, x))
    before = model.get_weights()
    first, second = call(IMAGES).numpy(), call(IMAGES).numpy()
    assert np.abs(first - second).max() > 1e-4  # dropout draws anew
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    model(IMAGES, training=True)
    moved = [
        not np.array_equal(old, new)
        for old, new in zip(before, model.get_weights(), strict=True)
    ]
    assert any(moved)


def test_without_noise_it_is_a_training_pass():
    """The batch's statistics normalise, not the moving ones."""
    quiet = dataclasses.replace(
        SMALL, dropout_rate=0.0, stochastic_depth_rate=0.0
    )
    model = models.build_model(quiet)
    as_teacher = models.call_as_teacher(model, IMAGES)
    inference = model(IMAGES, training=False)
    np.testing.assert_allclose(
        as_teacher, model(IMAGES, training=True), atol=1e-6
    )
    assert np.abs(as_teacher - inference).max() > 1e-3


def test_random_states_are_no_weights():
    model = models.build_model(SMALL)
    states = models.random_states(model)
    assert states and all("seed" in state.path for state in states)
    assert len(states) + len(model.weights) == len(model.variables)

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from noisy_student import models
from tests.models.small import SMALL

IMAGES = tf.constant(
    np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
)


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

"""Corruption errors against arithmetic by hand."""

import numpy as np
import pytest
import tensorflow as tf

from noisy_student.config.robustness import CORRUPTIONS
from noisy_student.evaluation import corruptions
from tests.evaluation.test_answers import Identity


def test_errors_are_summed_over_severities_and_divided():
    errors = {"fog": [0.1, 0.3], "snow": [0.5, 0.7], "frost": [0.2, 0.2]}
    baseline = {"fog": [0.2, 0.6], "snow": [0.4, 0.4], "frost": [0.0, 0.0]}
    found = corruptions.corruption_errors(errors, baseline)
    # (0.1 + 0.3) / (0.2 + 0.6) and (0.5 + 0.7) / (0.4 + 0.4); no frost, for
    # there is nothing to divide by.
    assert found == pytest.approx({"fog": 50.0, "snow": 150.0})


def test_alexnet_is_a_hundred_to_itself():
    alexnet = corruptions.alexnet(5)
    assert [*alexnet] == list(CORRUPTIONS)
    found = corruptions.corruption_errors(alexnet, alexnet)
    assert found == pytest.approx(dict.fromkeys(CORRUPTIONS, 100.0))
    # Appendix D of the paper has three digits.
    assert alexnet["gaussian_noise"][0] == pytest.approx(0.886, abs=5e-4)
    assert alexnet["impulse_noise"][0] == pytest.approx(0.923, abs=5e-4)


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("batch_size", [1, 3, 4])
def test_errors_are_those_of_each_group(replicas, batch_size):
    """Also where a batch has images of several groups, and padding."""
    generator = np.random.default_rng(0)
    sizes = [5, 1, 7]
    logits = generator.normal(size=(13, 4)).astype(np.float32)
    labels = generator.integers(0, 4, 13)
    wrong = logits.argmax(axis=1) != labels
    expected = [wrong[:5].mean(), wrong[5:6].mean(), wrong[6:].mean()]
    padding = -13 % batch_size
    content = {
        "image": np.pad(logits, [(0, padding), (0, 0)]),
        "label": np.pad(labels, (0, padding), constant_values=3),
        "row": np.pad(np.arange(13), (0, padding)),
        "weight": np.pad(np.ones(13, np.float32), (0, padding)),
    }
    dataset = tf.data.Dataset.from_tensor_slices(content).batch(
        batch_size, drop_remainder=True
    )
    strategy = tf.distribute.MirroredStrategy(
        [f"CPU:{index}" for index in range(replicas)]
    )
    with strategy.scope():
        evaluator = corruptions.GroupErrors(
            lambda _: dataset, 13, group_sizes=sizes
        )
        assert evaluator.errors(Identity()) == pytest.approx(expected)
        assert evaluator(Identity())["error"] == pytest.approx(wrong.mean())

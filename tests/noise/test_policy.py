"""The policy draws fairly."""

import numpy as np
import pytest
import tensorflow as tf

from noisy_student.noise.policy import OP_NAMES, Policy


def _draws(policy: Policy, count: int, shape: tuple[int, int, int]):
    """What is drawn for each of many images."""
    seeds = tf.random.stateless_uniform(
        [count, 2], [1, 42], None, None, tf.int64
    )
    drawn = tf.function(policy.draw)(seeds, tf.constant(shape[:2]))
    return [part.numpy() for part in drawn]


def test_operations_are_uniform_and_independent_between_layers():
    operations, _, _ = _draws(Policy(num_layers=2), 8000, (8, 8, 3))
    pairs = np.bincount(operations @ np.array([16, 1]), minlength=256)
    # With replacement: all 256 pairs, the equal ones too, are as probable.
    assert len(pairs) == 256
    expected = 8000 / 256
    chi_square = ((pairs - expected) ** 2 / expected).sum()
    assert chi_square < 255 + 5 * np.sqrt(2 * 255)


def test_signs_are_fair_and_centres_cover_the_image():
    operations, signs, centres = _draws(Policy(), 4000, (5, 9, 3))
    assert set(np.unique(signs)) == {-1, 1}
    assert abs(signs.mean()) < 5 / np.sqrt(signs.size)
    for name in ("Rotate", "TranslateX"):
        with_it = signs[operations == OP_NAMES.index(name)]
        assert abs(with_it.mean()) < 5 / np.sqrt(with_it.size)
    for axis, side in enumerate((5, 9)):
        counts = np.bincount(centres[..., axis].ravel(), minlength=side)
        expected = centres[..., axis].size / side
        assert len(counts) == side
        assert (abs(counts - expected) < 5 * np.sqrt(expected)).all()


def test_without_cutout_it_is_never_drawn():
    policy = Policy(use_cutout=False)
    assert policy.op_names == tuple(n for n in OP_NAMES if n != "Cutout")
    operations, _, _ = _draws(policy, 2000, (8, 8, 3))
    assert set(np.unique(operations)) == set(range(15))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_layers": -1}, r"num_layers must be .* got -1"),
        ({"num_layers": 1.5}, r"num_layers must be .* got 1.5"),
        ({"magnitude": -0.1}, r"magnitude must be .* got -0.1"),
        ({"magnitude": 31}, r"magnitude must be .* got 31"),
        ({"magnitude": float("nan")}, r"magnitude must be .* got nan"),
        ({"translate_limit": -1.0}, "translate_limit must be .* got -1.0"),
        ({"cutout_limit": -1.0}, "cutout_limit must be .* got -1.0"),
    ],
)
def test_bad_policies_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Policy(**arguments)

"""The policy draws fairly and is the drawn operations in a row."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_sample_image

from noisy_student.noise import policy as policy_module
from noisy_student.noise.policy import OP_NAMES, Policy, apply_op

SMALL = Policy(magnitude=15, translate_limit=2, cutout_limit=2)


@functools.cache
def _batch(count: int = 24, side: int = 16) -> np.ndarray:
    """Returns windows from a photograph, each another one."""
    photograph = load_sample_image("china.jpg")[::4, ::4]
    return np.stack(
        [photograph[i : i + side, 3 * i : 3 * i + side] for i in range(count)]
    )


def _seeds(count: int, number: int = 1) -> tf.Tensor:
    return tf.random.stateless_uniform(
        [count, 2], [number, 42], None, None, tf.int64
    )


def _draws(policy: Policy, count: int, shape: tuple[int, int, int]):
    """What is drawn for each of many images."""
    each = tf.function(lambda seed: policy.draw(seed, tf.constant(shape)))
    draws = [each(seed) for seed in _seeds(count)]
    return [np.stack(part) for part in zip(*draws, strict=True)]


def _one_by_one(policy: Policy, images: np.ndarray, seeds: tf.Tensor):
    """What the draws ask for, done with apply_op in Python loops."""
    results = []
    for image, seed in zip(images, seeds, strict=True):
        operations, signs, centres = policy.draw(seed, tf.shape(image))
        for layer in range(policy.num_layers):
            image = apply_op(
                policy.op_names[int(operations[layer])],
                image,
                policy.magnitude,
                signs[layer],
                centres[layer],
                policy.translate_limit,
                policy.cutout_limit,
            )
        results.append(image)
    return np.stack(results)


def test_is_the_drawn_operations_in_a_row():
    images, seeds = _batch(), _seeds(24)
    result = SMALL(images, seeds)
    assert result.dtype == tf.uint8 and result.shape == images.shape
    np.testing.assert_array_equal(result, _one_by_one(SMALL, images, seeds))


@pytest.mark.slow
def test_unknown_shape_equals_known_shape():
    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, None, 3], tf.uint8),
            tf.TensorSpec([None, 2], tf.int64),
        ]
    )
    def augment(images, seeds):
        return SMALL(images, seeds)

    for count in (24, 7):
        images, seeds = _batch()[:count], _seeds(count)
        np.testing.assert_array_equal(
            augment(images, seeds), SMALL(images, seeds)
        )


def test_program_must_be_compiled():
    program = policy_module._program(SMALL)
    concrete = program.get_concrete_function(tf.constant(_batch()), _seeds(24))
    assert concrete.function_def.attr["_XlaMustCompile"].b


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


def test_no_layers_change_nothing():
    policy = Policy(num_layers=0)
    np.testing.assert_array_equal(policy(_batch(), _seeds(24)), _batch())


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

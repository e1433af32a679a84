"""The policy draws fairly, repeats itself, and is the operations in a row."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_sample_image

from noisy_student.noise import rand_augment
from noisy_student.noise.rand_augment import OP_NAMES, RandAugment, apply_op

SMALL = RandAugment(magnitude=15, translate_limit=2, cutout_limit=2)


@functools.cache
def _batch(count: int = 24, side: int = 16) -> np.ndarray:
    """Returns windows from a photograph, each another one."""
    photograph = load_sample_image("china.jpg")[::4, ::4]
    return np.stack(
        [photograph[i : i + side, 3 * i : 3 * i + side] for i in range(count)]
    )


def _seed(number: int) -> tf.Tensor:
    return tf.constant([number, 42])


def _one_by_one(policy: RandAugment, images: np.ndarray, seed: tf.Tensor):
    """What the draws ask for, done with apply_op in Python loops."""
    operations, signs, centres = policy.draw(tf.constant(images.shape), seed)
    results = []
    for i, image in enumerate(images):
        for layer in range(policy.num_layers):
            image = apply_op(
                policy.op_names[int(operations[i, layer])],
                image,
                policy.magnitude,
                signs[i, layer],
                centres[i, layer],
                policy.translate_limit,
                policy.cutout_limit,
            )
        results.append(image)
    return np.stack(results)


def test_is_the_drawn_operations_in_a_row():
    images = _batch()
    result = SMALL(images, _seed(1))
    assert result.dtype == tf.uint8 and result.shape == images.shape
    np.testing.assert_array_equal(result, _one_by_one(SMALL, images, _seed(1)))


def test_same_seed_same_images_other_seed_others():
    first, again = SMALL(_batch(), _seed(1)), SMALL(_batch(), _seed(1))
    np.testing.assert_array_equal(first, again)
    wide = SMALL(_batch(), tf.constant([1, 42], tf.int64))
    np.testing.assert_array_equal(first, wide)
    assert (first.numpy() != SMALL(_batch(), _seed(2)).numpy()).any()


@pytest.mark.parametrize("threads", [1, 4])
def test_data_pipeline_equals_eager(threads):
    images = tf.constant(_batch())

    def augment(step):
        return SMALL(images, tf.stack([tf.cast(step, tf.int32), 42]))

    data = tf.data.Dataset.range(6).map(augment, num_parallel_calls=threads)
    assert data.element_spec == tf.TensorSpec(images.shape, tf.uint8)
    for step, result in enumerate(data):
        np.testing.assert_array_equal(result, SMALL(images, _seed(step)))


def test_unknown_shape_equals_known_shape():
    @tf.function(
        input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8)]
    )
    def augment(images):
        return SMALL(images, _seed(3))

    for images in (_batch(), _batch()[:7]):
        np.testing.assert_array_equal(augment(images), SMALL(images, _seed(3)))


def test_program_must_be_compiled():
    program = rand_augment._program(SMALL)
    concrete = program.get_concrete_function(
        tf.constant(_batch()),
        *SMALL.draw(tf.constant(_batch().shape), _seed(0)),
    )
    definition = concrete.function_def
    assert definition.attr["_XlaMustCompile"].b


def test_operations_are_uniform_and_independent_between_layers():
    policy = RandAugment(num_layers=2)
    operations, _, _ = policy.draw(tf.constant([16000, 8, 8, 3]), _seed(5))
    pairs = np.bincount(operations.numpy() @ np.array([16, 1]), minlength=256)
    # With replacement: all 256 pairs, the equal ones too, are as probable.
    assert len(pairs) == 256
    expected = 16000 / 256
    chi_square = ((pairs - expected) ** 2 / expected).sum()
    assert chi_square < 255 + 5 * np.sqrt(2 * 255)


def test_signs_are_fair_and_centres_cover_the_image():
    shape = tf.constant([8000, 5, 9, 3])
    operations, signs, centres = RandAugment().draw(shape, _seed(6))
    signs, centres = signs.numpy(), centres.numpy()
    assert set(np.unique(signs)) == {-1, 1}
    assert abs(signs.mean()) < 5 / np.sqrt(signs.size)
    for name in ("Rotate", "TranslateX"):
        with_it = signs[operations.numpy() == OP_NAMES.index(name)]
        assert abs(with_it.mean()) < 5 / np.sqrt(with_it.size)
    for axis, side in enumerate((5, 9)):
        counts = np.bincount(centres[..., axis].ravel(), minlength=side)
        expected = centres[..., axis].size / side
        assert len(counts) == side
        assert (abs(counts - expected) < 5 * np.sqrt(expected)).all()


def test_equal_images_in_a_batch_come_out_different():
    images = np.repeat(_batch()[:1], 24, axis=0)
    results = SMALL(images, _seed(7)).numpy().reshape(24, -1)
    assert len(np.unique(results, axis=0)) > 12


def test_without_cutout_it_is_never_drawn():
    policy = RandAugment(use_cutout=False)
    assert policy.op_names == OP_NAMES[:-1]
    operations, _, _ = policy.draw(tf.constant([4000, 8, 8, 3]), _seed(8))
    assert set(np.unique(operations)) == set(range(15))


def test_no_layers_change_nothing():
    policy = RandAugment(num_layers=0)
    np.testing.assert_array_equal(policy(_batch(), _seed(9)), _batch())


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
        RandAugment(**arguments)


@pytest.mark.parametrize(
    "images", [np.zeros((2, 8, 8, 3), np.float32), np.zeros((8, 8, 3), "uint8")]
)
def test_bad_images_are_refused(images):
    with pytest.raises(ValueError, match=r"images must be uint8 of shape"):
        SMALL(images, _seed(0))

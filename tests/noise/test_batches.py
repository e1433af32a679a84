"""Flips, shifts and cut-outs draw fairly, image by image."""

import numpy as np
import pytest
import tensorflow as tf

from noisy_student.noise import batches


def _seed(number: int) -> tf.Tensor:
    return tf.constant([number, 42])


def _noise(count: int, height: int = 8, width: int = 10) -> np.ndarray:
    draws = np.random.default_rng(0)
    return draws.integers(0, 256, (count, height, width, 3), np.uint8)


def test_flips_are_fair_and_per_image():
    images = _noise(2000)
    flipped = batches.random_flip(images, _seed(1))
    assert flipped.dtype == tf.uint8
    mirrored = (flipped.numpy() == images[:, :, ::-1]).all(axis=(1, 2, 3))
    kept = (flipped.numpy() == images).all(axis=(1, 2, 3))
    assert (mirrored ^ kept).all()
    assert abs(mirrored.mean() - 0.5) < 5 * 0.5 / np.sqrt(2000)


def test_pad_crops_are_uniform_windows_of_the_reflected_image():
    images = _noise(3000)
    cropped = batches.random_pad_crop(images, _seed(2), padding=2)
    assert cropped.dtype == tf.uint8
    margins = ((0, 0), (2, 2), (2, 2), (0, 0))
    padded = np.pad(images, margins, mode="reflect")
    found = np.zeros((5, 5, 3000), bool)
    for top in range(5):
        for left in range(5):
            window = padded[:, top : top + 8, left : left + 10]
            found[top, left] = (cropped.numpy() == window).all((1, 2, 3))
    assert (found.sum(axis=(0, 1)) == 1).all()
    expected = 3000 / 25
    assert (abs(found.sum(-1) - expected) < 5 * np.sqrt(expected)).all()


@pytest.mark.parametrize("size", [4, 5])
def test_cutouts_are_squares_with_uniform_centres(size):
    images = np.zeros((3000, 8, 10, 3), np.uint8)
    holes = batches.random_cutout(images, _seed(3), size)
    assert holes.dtype == tf.uint8
    mask = holes.numpy() == 128
    assert set(np.unique(holes)) == {0, 128}
    area = mask[..., 0].sum(axis=(1, 2))
    rows, columns = mask[..., 0].any(2).sum(1), mask[..., 0].any(1).sum(1)
    np.testing.assert_array_equal(area, rows * columns)
    assert rows.max() == size and columns.max() == size
    # At the border at least the half on the centre's side is left.
    assert rows.min() == columns.min() == (size + 1) // 2
    # Of 8 x 10 centres, (9 - size) * (11 - size) have the whole square.
    whole = (9 - size) * (11 - size) / 80
    bound = 5 * np.sqrt(whole * (1 - whole) / 3000)
    assert abs((area == size * size).mean() - whole) < bound


def test_cutout_keeps_the_rest():
    images = _noise(50)
    holed = batches.random_cutout(images, _seed(4), 4).numpy()
    changed = (holed != images).any(axis=-1)
    assert (holed[changed] == 128).all() and changed.any(axis=(1, 2)).all()
    np.testing.assert_array_equal(
        batches.random_cutout(images, _seed(4), 0), images
    )


def _cutout(images, seed):
    return batches.random_cutout(images, seed, 4)


BATCH_FUNCTIONS = [batches.random_flip, batches.random_pad_crop, _cutout]


@pytest.mark.parametrize("function", BATCH_FUNCTIONS)
def test_batch_functions_are_a_function_of_the_seed(function):
    images = tf.constant(_noise(20))
    data = tf.data.Dataset.range(4).map(
        lambda i: function(images, tf.stack([tf.cast(i, tf.int32), 42])),
        num_parallel_calls=2,
    )
    assert data.element_spec == tf.TensorSpec(images.shape, tf.uint8)
    results = [result.numpy() for result in data]
    for number, result in enumerate(results):
        np.testing.assert_array_equal(result, function(images, _seed(number)))
    assert (results[0] != results[1]).any()


@pytest.mark.parametrize("function", BATCH_FUNCTIONS)
@pytest.mark.parametrize("shape", [(8, 10), (5, 5), (9, 6)])
def test_xla_computes_the_same(function, shape):
    images = tf.constant(_noise(33, *shape))
    compiled = tf.function(function, jit_compile=True)
    for number in range(4):
        seed = _seed(number)
        np.testing.assert_array_equal(
            compiled(images, seed), function(images, seed)
        )


@pytest.mark.parametrize("function", BATCH_FUNCTIONS)
def test_batch_functions_take_unknown_shapes(function):
    images = tf.constant(_noise(6))
    signature = [tf.TensorSpec([None, None, None, 3], tf.uint8)]
    unknown = tf.function(
        lambda each: function(each, _seed(5)), input_signature=signature
    )
    np.testing.assert_array_equal(unknown(images), function(images, _seed(5)))


@pytest.mark.parametrize("function", BATCH_FUNCTIONS)
def test_batch_functions_refuse_other_types(function):
    with pytest.raises(ValueError, match=r"images must be uint8 .* float32"):
        function(np.zeros((2, 8, 8, 3), np.float32), _seed(0))


def test_bad_arguments_are_refused():
    images = _noise(2)
    with pytest.raises(ValueError, match=r"padding must be .* got -1"):
        batches.random_pad_crop(images, _seed(0), padding=-1)
    with pytest.raises(ValueError, match=r"padding must be .* got 8"):
        batches.random_pad_crop(images, _seed(0), padding=8)
    with pytest.raises(ValueError, match=r"size must be .* got -2"):
        batches.random_cutout(images, _seed(0), -2)

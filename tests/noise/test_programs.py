"""Each program is the drawn operations in a row, wherever it runs."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_sample_image

from noisy_student.noise.policy import OP_NAMES, Policy, apply_op
from noisy_student.noise.programs import FORMS, _program, augment

# Four, so that the images below meet every operation.
SMALL = Policy(num_layers=4, magnitude=15, translate_limit=2, cutout_limit=2)


@functools.cache
def _batch(count: int = 24, side: int = 16) -> np.ndarray:
    """Returns windows from a photograph, each another one."""
    photograph = load_sample_image("china.jpg")[::4, ::4]
    return np.stack(
        [photograph[i : i + side, 3 * i : 3 * i + side] for i in range(count)]
    )


def _seeds(count: int) -> tf.Tensor:
    return tf.random.stateless_uniform([count, 2], [1, 42], None, None, "int64")


@functools.cache
def _one_by_one() -> np.ndarray:
    """What the draws ask for, done with apply_op in Python loops."""
    results, met = [], set()
    draws = SMALL.draw(_seeds(24), tf.constant([16, 16]))
    for image, *drawn in zip(_batch(), *draws, strict=True):
        for operation, sign, centre in zip(*drawn, strict=True):
            name = SMALL.op_names[int(operation)]
            met.add(name)
            image = apply_op(name, image, 15, sign, centre, 2, 2)
        results.append(image)
    assert met == set(OP_NAMES)
    return np.stack(results)


@pytest.mark.parametrize("form", FORMS)
def test_is_the_drawn_operations_in_a_row(form):
    result = augment(SMALL, _batch(), _seeds(24), form)
    assert result.dtype == tf.uint8 and result.shape == (24, 16, 16, 3)
    np.testing.assert_array_equal(result, _one_by_one())


def test_the_program_for_devices_in_a_compiled_step():
    step = tf.function(
        lambda images, seeds: augment(SMALL, images, seeds, "device"),
        jit_compile=True,
    )
    result = step(tf.constant(_batch()), _seeds(24))
    np.testing.assert_array_equal(result, _one_by_one())


@pytest.mark.parametrize("form", FORMS)
def test_unknown_shape_equals_known_shape(form):
    signature = [
        tf.TensorSpec([None, None, None, 3], tf.uint8),
        tf.TensorSpec([None, 2], tf.int64),
    ]
    of_unknown = tf.function(
        lambda images, seeds: augment(SMALL, images, seeds, form),
        input_signature=signature,
    )
    np.testing.assert_array_equal(
        of_unknown(_batch(), _seeds(24)), _one_by_one()
    )


@pytest.mark.parametrize("form", FORMS)
def test_programs_must_be_compiled_but_for_one(form):
    program = _program(SMALL, form)
    concrete = program.get_concrete_function(tf.constant(_batch()), _seeds(24))
    compiled = concrete.function_def.attr["_XlaMustCompile"].b
    assert compiled == (form != "uncompiled")


def test_images_that_all_draw_the_same_operation():
    """So that all other groups are empty."""
    images, seeds = _batch()[:6], tf.repeat(_seeds(24)[:1], 6, axis=0)
    result = augment(SMALL, images, seeds, "uncompiled")
    np.testing.assert_array_equal(result[0], _one_by_one()[0])


def test_no_layers_change_nothing():
    unchanged = augment(Policy(num_layers=0), _batch(), _seeds(24))
    np.testing.assert_array_equal(unchanged, _batch())

import numpy as np
import pytest
import tensorflow as tf

from noisy_student.models import ops


def random(*shape, seed=0):
    generator = np.random.default_rng(seed)
    return tf.constant(generator.normal(0, 1.5, shape), tf.float32)


def value_and_gradients(function, arguments):
    upstream = None
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        value = function(*arguments)
        upstream = random(*value.shape, seed=9)
        loss = tf.reduce_sum(value * upstream)
    return [value, *tape.gradient(loss, arguments)]


def assert_same(function, truth, arguments):
    """Eagerly and compiled, in the value and all gradients."""
    expected = value_and_gradients(truth, arguments)
    compiled = tf.function(lambda: value_and_gradients(function, arguments))
    for found in (value_and_gradients(function, arguments), compiled()):
        for mine, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=2e-5)


def test_swish_and_its_gradient():
    assert_same(ops.swish, lambda x: x * tf.sigmoid(x), [random(3, 4, 5, 6)])


def test_squeeze_excite_and_its_gradients():
    def plain(x, reduce_kernel, reduce_bias, expand_kernel, expand_bias):
        x = x * tf.sigmoid(x)
        means = tf.reduce_mean(x, axis=[1, 2], keepdims=True)
        squeezed = tf.nn.swish(means @ reduce_kernel + reduce_bias)
        return x * tf.sigmoid(squeezed @ expand_kernel + expand_bias)

    arguments = [
        random(3, 4, 5, 6),
        random(6, 2, seed=1),
        random(2, seed=2),
        random(2, 6, seed=3),
        random(6, seed=4),
    ]
    assert_same(ops.swish_squeeze_excite, plain, arguments)


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [1, 2, 7, 8])
def test_depthwise_convolution_and_its_gradients(size, stride, side):
    arguments = [random(3, side, 8, 6), random(size, size, 6, 1, seed=1)]
    strides = [1, stride, stride, 1]
    assert_same(
        lambda x, kernel: ops.depthwise_convolution(x, kernel, stride),
        lambda x, kernel: tf.nn.depthwise_conv2d(x, kernel, strides, "SAME"),
        arguments,
    )


@pytest.mark.parametrize(("size", "stride"), [(1, 1), (1, 2), (3, 2)])
def test_convolution_and_its_gradients(size, stride):
    arguments = [random(3, 7, 8, 6), random(size, size, 6, 4, seed=1)]
    assert_same(
        lambda x, kernel: ops.convolution(x, kernel, stride),
        lambda x, kernel: tf.nn.conv2d(x, kernel, stride, "SAME"),
        arguments,
    )


def test_gradients_keep_bfloat16():
    shapes = [(2, 4, 4, 6), (5, 5, 6, 1), (1, 1, 6, 4)]
    arguments = [tf.cast(random(*shape), tf.bfloat16) for shape in shapes]

    def all_three(x, depthwise, pointwise):
        x = ops.swish(ops.depthwise_convolution(x, depthwise, 1))
        return ops.convolution(x, pointwise, 1)

    with tf.GradientTape() as tape:
        tape.watch(arguments)
        value = all_three(*arguments)
    gradients = tape.gradient(value, arguments)
    assert {tensor.dtype for tensor in [value, *gradients]} == {tf.bfloat16}

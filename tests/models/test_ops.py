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


@pytest.fixture(params=[False, True], ids=["cpu", "accelerator"])
def accelerator(request, monkeypatch):
    """Both forms of an operation; the accelerator's runs here as well."""
    monkeypatch.setattr(ops, "_has_accelerator", lambda: request.param)


def assert_same(function, truth, arguments):
    """Eagerly and compiled, in the value and all gradients."""
    expected = value_and_gradients(truth, arguments)
    compiled = tf.function(lambda: value_and_gradients(function, arguments))
    for found in (value_and_gradients(function, arguments), compiled()):
        for mine, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=2e-5)


def test_swish_and_its_gradient(accelerator):
    assert_same(ops.swish, lambda x: x * tf.sigmoid(x), [random(3, 4, 5, 6)])


def test_squeeze_excite_and_its_gradients(accelerator):
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


def test_a_persistent_tape_may_be_asked_twice():
    x, weights = random(2, 3, 3, 4), [random(4, 1), random(1)]
    weights += [random(1, 4), random(4)]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = ops.swish_squeeze_excite(ops.swish(x), *weights)
    np.testing.assert_array_equal(tape.gradient(y, x), tape.gradient(y, x))


def test_bfloat16_gradients_of_kernels_are_summed_in_float32():
    """Thousands of products, of which bfloat16 would lose the small ones."""
    arguments = [random(2, 56, 56, 8), random(5, 5, 8, 1, seed=1)]
    upstream = random(2, 56, 56, 8, seed=2)

    def kernel_gradient(dtype):
        x, kernel = (tf.cast(value, dtype) for value in arguments)
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            y = ops.depthwise_convolution(x, kernel, 1)
        found = tape.gradient(y, kernel, tf.cast(upstream, dtype))
        return tf.cast(found, tf.float32).numpy()

    truth = kernel_gradient(tf.float32)
    error = np.abs(kernel_gradient(tf.bfloat16) - truth)
    assert error.max() < 0.02 * np.abs(truth).max()


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

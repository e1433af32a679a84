import keras
import numpy as np
import pytest
import tensorflow as tf

from noisy_student.config import ModelConfig
from noisy_student.models import blocks, efficientnet

IMAGES = np.random.default_rng(0).normal(size=(8, 6, 6, 8)).astype(np.float32)


def make_block(rematerialize, lite=False):
    keras.utils.set_random_seed(3)
    block = blocks.Block(8, 8, 3, 1, 6, 0.4, rematerialize, lite=lite)
    block.build((None, 6, 6, 8))
    return block


def train(block, images):
    """Output, and gradients of the input and all trainable weights."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = block(images, training=True)
        loss = tf.reduce_sum(outputs * tf.cos(images))
    variables = [v.value for v in block.trainable_variables]
    return [outputs, *tape.gradient(loss, [images, *variables])]


def states(block):
    return [variable.numpy() for variable in block.variables]


@pytest.mark.slow
@pytest.mark.parametrize("lite", [False, True])
def test_gradients_noise_and_statistics_are_those_without(lite):
    compiled = tf.function(train)
    by_xla = tf.function(train, jit_compile=True)
    for run in (train, compiled, by_xla):
        plain, remat = make_block(False, lite), make_block(True, lite)
        results = []
        for block in (plain, remat):
            # Twice: the second draws another mask, on moved statistics.
            results.append([run(block, tf.constant(IMAGES)) for _ in range(2)])
        for mine, theirs in zip(*map(tf.nest.flatten, results), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4)
        first, second = results[0][0][0], results[0][1][0]
        assert not np.allclose(first, second, atol=1e-2)
        for mine, theirs in zip(states(plain), states(remat), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-5)


def test_nothing_between_input_and_output_is_kept():
    """The gradient runs the block's convolutions a second time."""

    def convolutions(block):
        spec = tf.TensorSpec(IMAGES.shape, tf.float32)
        graph = tf.function(lambda x: train(block, x))
        operations = graph.get_concrete_function(spec).graph.get_operations()
        return sum(op.type == "Conv2D" for op in operations)

    plain, remat = (convolutions(make_block(flag)) for flag in (False, True))
    assert remat == 2 * plain


@pytest.mark.slow
def test_replicas_share_the_gradient(two_replicas):
    """Under a strategy, with statistics over both replicas."""

    def run(rematerialize):
        keras.utils.set_random_seed(3)
        with two_replicas.scope():
            block = blocks.Block(
                8, 8, 3, 1, 6, 0.0, rematerialize, num_shards_per_group=-2
            )
            block.build((None, 6, 6, 8))
        parts = two_replicas.experimental_distribute_values_from_function(
            lambda context: tf.constant(
                IMAGES + context.replica_id_in_sync_group
            )
        )
        step = tf.function(
            lambda x: two_replicas.run(lambda x: train(block, x), args=(x,))
        )
        return [result.values for result in step(parts)], states(block)

    plain, remat = run(False), run(True)
    for mine, theirs in zip(
        tf.nest.flatten(plain), tf.nest.flatten(remat), strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4)


def train_model(images, **settings):
    """Gradients of a small model, and all its variables before and after."""
    keras.utils.set_random_seed(5)
    model = efficientnet.build_model(
        ModelConfig(
            "efficientnet-b0",
            num_classes=10,
            input_image_size=16,
            width_coefficient=0.25,
            depth_coefficient=0.34,
            small_image_model=True,
            **settings,
        )
    )
    before = states(model)

    @tf.function
    def run():
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            loss = tf.reduce_sum(tf.nn.log_softmax(logits)[:, 0])
        return tape.gradient(loss, [v.value for v in model.trainable_variables])

    return run(), before, states(model)


@pytest.mark.slow
@pytest.mark.parametrize("use_bfloat16", [False, True])
def test_a_model_trains_alike_with_and_without(use_bfloat16):
    """The stem and two blocks are frozen, and stay bit by bit."""
    images = np.random.default_rng(1).uniform(0, 255, (8, 16, 16, 3))
    settings = {"use_bfloat16": use_bfloat16, "fix_layer_num": 2}
    plain, before, states_plain = train_model(images, **settings)
    remat, _, states_remat = train_model(images, remat=True, **settings)
    tolerance = 0.1 if use_bfloat16 else 2e-3
    for mine, theirs in zip(plain, remat, strict=True):
        scale = np.abs(mine).max() + 1e-3
        np.testing.assert_allclose(mine / scale, theirs / scale, atol=tolerance)
    changed = 0
    for old, mine, theirs in zip(
        before, states_plain, states_remat, strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-2, atol=1e-3)
        same = np.array_equal(old, mine)
        assert np.array_equal(old, theirs) == same
        changed += not same
    assert changed > 10

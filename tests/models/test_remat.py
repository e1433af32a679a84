import keras
import numpy as np
import tensorflow as tf

from noisy_student.models import blocks

IMAGES = np.random.default_rng(0).normal(size=(8, 6, 6, 8)).astype(np.float32)


def make_block(rematerialize):
    keras.utils.set_random_seed(3)
    block = blocks.Block(8, 8, 3, 1, 6, 0.4, rematerialize)
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


def test_gradients_noise_and_statistics_are_those_without():
    for compiled in (False, True):
        plain, remat = make_block(False), make_block(True)
        results = []
        for block in (plain, remat):
            run = tf.function(train) if compiled else train
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

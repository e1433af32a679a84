import keras
import numpy as np
import pytest
import tensorflow as tf

from noisy_student.models import layers


def random_features(seed=0, batch=6):
    generator = np.random.default_rng(seed)
    return generator.normal(2, 3, (batch, 5, 4, 7)).astype(np.float32)


def test_batch_norm_equals_keras_in_output_gradient_and_statistics():
    features = random_features()
    ours = layers.BatchNormalization()
    keras_norm = keras.layers.BatchNormalization(momentum=0.99, epsilon=1e-3)
    results = []
    for layer in (ours, keras_norm):
        x = tf.constant(features)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            loss = tf.reduce_sum(y * tf.sin(x))
        gradients = tape.gradient(
            loss, [x, layer.gamma.value, layer.beta.value]
        )
        results.append(
            [y, *gradients, layer.moving_mean, layer.moving_variance]
        )
    for mine, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=2e-4, atol=2e-5)
    np.testing.assert_allclose(
        ours(features), keras_norm(features), rtol=1e-4, atol=1e-5
    )


def test_batch_norm_moves_towards_the_biased_variance():
    features = random_features()
    layer = layers.BatchNormalization(momentum=0.9)
    layer(features, training=True)
    variance = features.var(axis=(0, 1, 2))
    np.testing.assert_allclose(
        layer.moving_variance, 0.9 + 0.1 * variance, rtol=1e-5
    )
    np.testing.assert_allclose(
        layer.moving_mean, 0.1 * features.mean(axis=(0, 1, 2)), rtol=1e-5
    )


def test_batch_norm_statistics_are_the_mean_over_replicas(two_replicas):
    with two_replicas.scope():
        layer = layers.BatchNormalization(momentum=0.9)
        layer.build((None, 5, 4, 7))
    parts = [random_features(seed) for seed in (1, 2)]
    values = two_replicas.experimental_distribute_values_from_function(
        lambda context: tf.constant(parts[context.replica_id_in_sync_group])
    )

    @tf.function
    def step(x):
        two_replicas.run(lambda x: layer(x, training=True), args=(x,))

    step(values)
    means = [part.mean(axis=(0, 1, 2)) for part in parts]
    np.testing.assert_allclose(
        layer.moving_mean.value.values[0], 0.1 * np.mean(means, 0), rtol=1e-4
    )


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_stochastic_depth_drops_examples_at_its_rate(rate):
    keras.utils.set_random_seed(1)
    layer = layers.StochasticDepth(rate)
    features = tf.ones([4000, 2, 2, 3])
    outputs = layer(features, training=True).numpy()
    per_example = outputs.reshape(4000, -1)
    # All of an example or nothing, and survivors make up for the dropped.
    assert np.all(per_example == per_example[:, :1])
    kept = per_example[:, 0] > 0
    np.testing.assert_allclose(per_example[kept], 1 / (1 - rate), rtol=1e-6)
    sigma = (rate * (1 - rate) / 4000) ** 0.5
    assert abs((1 - kept.mean()) - rate) < 4 * sigma


def test_dropout_drops_single_units():
    keras.utils.set_random_seed(1)
    outputs = layers.Dropout(0.3)(tf.ones([200, 50]), training=True).numpy()
    assert abs((outputs == 0).mean() - 0.3) < 0.02
    assert len(np.unique((outputs == 0).sum(axis=1))) > 5


@pytest.mark.parametrize("layer", [layers.Dropout, layers.StochasticDepth])
def test_noise_is_off_in_inference(layer):
    features = tf.constant(random_features())
    np.testing.assert_array_equal(layer(0.5)(features), features)


def test_replicas_draw_different_masks(two_replicas):
    with two_replicas.scope():
        layer = layers.Dropout(0.5)

    @tf.function
    def masks():
        return two_replicas.run(lambda: layer(tf.ones([100]), training=True))

    first, second = (mask.numpy() for mask in masks().values)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, masks().values[0].numpy())

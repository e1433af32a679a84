import keras
import numpy as np
import pytest
import tensorflow as tf

from noisy_student.models import batch_norm


def random_features(seed=0, batch=6):
    generator = np.random.default_rng(seed)
    return generator.normal(2, 3, (batch, 5, 4, 7)).astype(np.float32)


def test_equals_keras_in_output_gradient_and_statistics():
    features = random_features()
    ours = batch_norm.BatchNormalization()
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


def test_moves_towards_the_biased_variance():
    features = random_features()
    layer = batch_norm.BatchNormalization(momentum=0.9)
    layer(features, training=True)
    variance = features.var(axis=(0, 1, 2))
    np.testing.assert_allclose(
        layer.moving_variance, 0.9 + 0.1 * variance, rtol=1e-5
    )
    np.testing.assert_allclose(
        layer.moving_mean, 0.1 * features.mean(axis=(0, 1, 2)), rtol=1e-5
    )


def on_replicas(strategy, layer, parts):
    """Outputs, input gradients and gamma's gradient, a list a replica."""
    values = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(parts[context.replica_id_in_sync_group])
    )

    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            loss = tf.reduce_sum(y * tf.sin(x))
        return [y, *tape.gradient(loss, [x, layer.gamma.value])]

    @tf.function
    def run(x):
        return strategy.run(step, args=(x,))

    return [result.values for result in run(values)]


def test_moving_statistics_are_the_mean_over_replicas(two_replicas):
    with two_replicas.scope():
        layer = batch_norm.BatchNormalization(momentum=0.9)
        layer.build((None, 5, 4, 7))
    parts = [random_features(seed) for seed in (1, 2)]
    outputs = on_replicas(two_replicas, layer, parts)[0]
    means = [part.mean(axis=(0, 1, 2)) for part in parts]
    np.testing.assert_allclose(
        layer.moving_mean.value.values[1], 0.1 * means[1], rtol=1e-4
    )
    statistics = batch_norm.moving_statistics(layer)

    @tf.function
    def share(keep):
        before = [tf.zeros([7]), tf.ones([7])]
        two_replicas.run(
            lambda: batch_norm.share_statistics(statistics, before, keep)
        )

    share(tf.constant(True))
    for copy in layer.moving_mean.value.values:
        np.testing.assert_allclose(copy, 0.1 * np.mean(means, 0), rtol=1e-4)
    share(tf.constant(False))
    for copy in layer.moving_mean.value.values:
        np.testing.assert_array_equal(copy, np.zeros(7))
    # Each replica is normalised with its own statistics.
    for output in outputs:
        np.testing.assert_allclose(
            np.mean(output, axis=(0, 1, 2)), np.zeros(7), atol=1e-5
        )


@pytest.mark.parametrize("group", [2, -2])
def test_a_group_of_replicas_equals_one_device(two_replicas, group):
    with two_replicas.scope():
        layer = batch_norm.BatchNormalization(0.9, num_shards_per_group=group)
        layer.build((None, 5, 4, 7))
    # Unequal means, so that their distance counts in the variance.
    parts = [random_features(1), random_features(2) + 4]
    outputs, gradients, of_gamma = on_replicas(two_replicas, layer, parts)

    alone = batch_norm.BatchNormalization(0.9)
    x = tf.constant(np.concatenate(parts))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = alone(x, training=True)
        loss = tf.reduce_sum(y * tf.sin(x))
    truth = tape.gradient(loss, [x, alone.gamma.value])
    np.testing.assert_allclose(tf.concat(outputs, 0), y, atol=1e-5)
    np.testing.assert_allclose(tf.concat(gradients, 0), truth[0], atol=1e-4)
    np.testing.assert_allclose(np.sum(of_gamma, 0), truth[1], rtol=1e-3)
    for name in ("moving_mean", "moving_variance"):
        np.testing.assert_allclose(
            getattr(layer, name).value.values[0],
            getattr(alone, name),
            rtol=1e-4,
        )


class FakeReplica:
    """One of four; their sum comes from outside."""

    num_replicas_in_sync = 4

    def __init__(self, number, total):
        self.replica_id_in_sync_group = number
        self.total = total

    def all_reduce(self, _, value):
        self.value = value
        return self.total


def test_groups_do_not_mix(monkeypatch):
    values = np.random.default_rng(0).normal(size=(4, 7)).astype(np.float32)

    def means(total):
        replicas = [FakeReplica(number, total) for number in range(4)]
        results = []
        for replica, value in zip(replicas, values, strict=True):
            monkeypatch.setattr(
                tf.distribute, "get_replica_context", lambda r=replica: r
            )
            results.append(batch_norm.mean_over_group(tf.constant(value), 2))
        return replicas, results

    replicas, _ = means(tf.zeros([2, 7]))
    _, results = means(tf.add_n([replica.value for replica in replicas]))
    pairs = values.reshape(2, 2, 7).mean(axis=1)
    np.testing.assert_allclose(results, pairs.repeat(2, axis=0), rtol=1e-5)


@pytest.mark.parametrize(
    ("replicas", "setting", "group"),
    [
        (1, -1, 1),
        (8, -1, 1),
        (16, -1, 8),
        (128, -1, 16),
        (16, 4, 4),
        (16, -2, 16),
    ],
)
def test_group_sizes_follow_the_original_on_tpus(replicas, setting, group):
    assert batch_norm.replicas_per_group(replicas, setting, True) == group
    # Elsewhere replicas share only where that is asked for.
    alone = 1 if setting == -1 else group
    assert batch_norm.replicas_per_group(replicas, setting, False) == alone


def test_groups_must_divide_the_replicas():
    with pytest.raises(ValueError, match="num_shards_per_group"):
        batch_norm.replicas_per_group(8, 3, False)


def test_statistics_stay_float32_under_bfloat16():
    features = random_features()
    layer = batch_norm.BatchNormalization(0.9, dtype="mixed_bfloat16")
    outputs = layer(features, training=True)
    assert outputs.dtype == tf.bfloat16
    assert {weight.dtype for weight in layer.weights} == {"float32"}
    rounded = tf.cast(tf.cast(features, tf.bfloat16), tf.float32).numpy()
    # A bfloat16 sum of 120 values would be off by more than a percent.
    np.testing.assert_allclose(
        layer.moving_mean, 0.1 * rounded.mean(axis=(0, 1, 2)), rtol=1e-4
    )
    np.testing.assert_allclose(
        layer.moving_variance,
        0.9 + 0.1 * rounded.var(axis=(0, 1, 2)),
        rtol=1e-4,
    )


def test_a_frozen_norm_infers_and_stays():
    features = random_features()
    layer = batch_norm.BatchNormalization()
    layer.build(features.shape)
    layer.moving_mean.assign(np.linspace(0, 3, 7))
    layer.trainable = False
    outputs = layer(features, training=True)
    np.testing.assert_allclose(outputs, layer(features, training=False))
    np.testing.assert_allclose(layer.moving_mean, np.linspace(0, 3, 7))

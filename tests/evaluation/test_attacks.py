"""FGSM against its formula, and PGD against its ball."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from noisy_student import config, models
from noisy_student.evaluation import attacks
from tests.evaluation import known_digits
from tests.evaluation.known_digits import EPSILONS, STEPS, accuracy, attacked


@pytest.fixture(scope="module")
def model():
    return known_digits.trained()


def tiny(**settings):
    keras.utils.set_random_seed(0)
    built = models.build_model(
        config.ModelConfig(
            "efficientnet-b0",
            num_classes=10,
            input_image_size=8,
            width_coefficient=0.1,
            depth_coefficient=0.1,
            small_image_model=True,
            **settings,
        )
    )
    # As it is built, its logits hardly depend on the image.
    built.layers[-1].kernel.assign(10 * built.layers[-1].kernel)
    return built


def random_images(number, generator):
    images = generator.integers(0, 256, (number, 8, 8, 3)).astype(np.float32)
    return images, generator.integers(0, 10, number)


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_fgsm_is_a_step_along_the_sign_of_the_gradient(epsilon):
    """Of the difference of the losses, which is computed without gradients."""
    generator = np.random.default_rng(0)
    images, labels = random_images(3, generator)
    kernel = generator.normal(size=(8 * 8 * 3, 10)).astype(np.float32) / 255
    given = keras.Input((8, 8, 3))
    dense = keras.layers.Dense(10, use_bias=False)
    linear = keras.Model(given, dense(keras.layers.Flatten()(given)))
    dense.set_weights([kernel])
    # By hand: cross entropy's gradient by the logits is softmax minus truth.
    logits = (images.reshape(3, -1) @ kernel).astype(np.float64)
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    by_logits = exponents / exponents.sum(axis=1, keepdims=True)
    by_logits[range(3), labels] -= 1
    gradient = (by_logits @ kernel.T).reshape(images.shape)
    expected = np.clip(images + epsilon * np.sign(gradient), 0, 255)
    found = attacked(attacks.FGSM(), linear, images, labels, epsilon)
    sure = np.abs(gradient) > 1e-7
    assert sure.mean() > 0.99
    np.testing.assert_array_equal(found[sure], expected[sure])


@pytest.mark.parametrize(
    ("precision", "tolerance"),
    [("float32", 1e-5), ("bfloat16", 0.02), ("float16", 0.005)],
)
def test_the_gradient_is_that_of_the_model_without_noise(precision, tolerance):
    """Twice the same, in float32, and TensorFlow's own."""
    model = tiny(precision=precision, dropout_rate=0.5)
    images, labels = map(
        tf.constant, random_images(4, np.random.default_rng(1))
    )
    found = attacks.input_gradient(model, images, labels)
    assert found.dtype == tf.float32
    assert tf.reduce_mean(tf.cast(found != 0, tf.float32)) > 0.9
    with tf.GradientTape() as tape:
        tape.watch(images)
        log_probabilities = tf.nn.log_softmax(model(images, training=False))
        chosen = tf.gather(log_probabilities, labels, batch_dims=1)
    expected = -tape.gradient(chosen, images)
    difference = tf.reduce_max(abs(found - expected))
    assert difference < tolerance * tf.reduce_max(abs(expected))


@pytest.mark.parametrize("step_size", [None, 0.5, 100.0])
@pytest.mark.parametrize("epsilon", [0.0, 0.3, 8.0, 300.0])
def test_pgd_never_leaves_its_ball_nor_the_range(model, epsilon, step_size):
    images, labels = random_images(5, np.random.default_rng(2))
    images[0], images[1] = 0, 255
    attack = attacks.PGD(3, step_size)
    found = attacked(attack, model, images, labels, epsilon)
    assert found.min() >= 0 and found.max() <= 255
    assert np.abs(found - images).max() <= epsilon * (1 + 1e-6) + 2e-5
    assert found.dtype == np.float32
    if step_size == 0.5:  # larger steps lead to the corners
        rounded = np.abs(found - found.round()).max() < 0.1
        assert rounded == (epsilon == 0)
    if epsilon:
        assert np.abs(found - images).max() > 0.9 * min(epsilon, 255)


def test_the_start_is_uniform_in_the_ball_and_of_the_row_alone(model):
    images = np.full([200, 8, 8, 3], 128, np.float32)
    labels, rows = np.zeros(200, int), np.arange(200)
    # Steps too small to matter leave the start.
    attack = attacks.PGD(1, 1e-6, seed=3)
    starts = attacked(attack, model, images, labels, 10, rows) - 128
    assert abs(starts.mean()) < 0.1
    assert starts.std() == pytest.approx(20 / np.sqrt(12), rel=0.02)
    assert len({start.tobytes() for start in starts}) == 200
    chosen = [7, 150, 3]
    again = attacked(
        attack, model, images[chosen], labels[chosen], 10, rows[chosen]
    )
    np.testing.assert_allclose(again - 128, starts[chosen], atol=1e-4)
    other = attacks.PGD(1, 1e-6, seed=4)
    others = attacked(other, model, images, labels, 10, rows) - 128
    assert abs(np.corrcoef(starts.ravel(), others.ravel())[0, 1]) < 0.05


def test_pgd_is_as_strong_as_fgsm(model):
    test_digits = known_digits.examples()
    assert accuracy(model, *test_digits) > 0.9
    weaker = 0
    for epsilon in EPSILONS:
        fgsm, pgd = (
            accuracy(
                model,
                attacked(attack, model, *test_digits, epsilon),
                test_digits[1],
            )
            for attack in (attacks.FGSM(), attacks.PGD(STEPS))
        )
        assert pgd <= fgsm
        weaker += pgd < fgsm
    assert weaker


def test_a_model_without_gradients_is_refused():
    images = keras.Input((8, 8, 3))
    steps = keras.Model(images, keras.ops.cast(images > 1, "float32")[:, 0, 0])
    with pytest.raises(ValueError, match="has no gradient by its images"):
        attacks.input_gradient(
            steps, tf.zeros([1, 8, 8, 3]), tf.constant([0], tf.int64)
        )


def test_a_small_gradient_is_seen_in_float16():
    model = tiny(precision="float16")
    images, _ = map(tf.constant, random_images(4, np.random.default_rng(1)))
    kernel, bias = model.get_layer("logits").get_weights()
    bias[0] += 13  # nearly sure of it, and right
    model.get_layer("logits").set_weights([kernel, bias])
    labels = tf.zeros(4, tf.int64)
    found = attacks.input_gradient(model, images, labels)
    assert tf.reduce_mean(tf.cast(found != 0, tf.float32)) > 0.9

"""FGSM against its formula, PGD against its ball, and both against ART."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from noisy_student import config, models
from noisy_student.data import digits
from noisy_student.evaluation import attacks
from noisy_student.evaluation.under_attack import AccuracyUnderAttack
from tests import padded_batches

EPSILONS = (1.0, 8.0, 24.0, 64.0)
STEPS = 10


def stacked(source):
    """The images, float32 (images, 8, 8, 3), and their labels."""
    examples = list(source.read().as_numpy_iterator())
    images = [
        tf.io.decode_png(each["encoded"], channels=3).numpy()
        for each in examples
    ]
    labels = np.array([each["label"] for each in examples])
    return np.array(images, np.float32), labels


@pytest.fixture(scope="module")
def test_digits():
    return stacked(digits.load(0)[1])


@pytest.fixture(scope="module")
def weights():
    """Of a convolutional network that knows the digits."""
    keras.utils.set_random_seed(0)
    model = network()
    optimizer = keras.optimizers.Adam(3e-3)
    model.compile(
        optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    model.fit(*stacked(digits.load(0)[0]), 64, epochs=8, verbose=0)
    return model.get_weights()


def network():
    images = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(16, 3, activation="swish")(images / 255)
    x = keras.layers.Conv2D(32, 3, activation="swish")(x)
    x = keras.layers.Dropout(0.3)(keras.layers.Flatten()(x))
    return keras.Model(images, keras.layers.Dense(10)(x))


def trained(weights):
    model = network()
    model.set_weights(weights)
    return model


@pytest.fixture(scope="module")
def model(weights):
    return trained(weights)


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


def attacked(attack, model, images, labels, epsilon, rows=None):
    rows = np.arange(len(labels)) if rows is None else rows

    @tf.function
    def run(epsilon):
        return attack.of(
            model, tf.constant(images), tf.constant(labels), tf.constant(rows)
        )(epsilon)

    return run(tf.constant(epsilon, tf.float32)).numpy()


def accuracy(model, images, labels):
    return (model(images, training=False).numpy().argmax(1) == labels).mean()


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


@pytest.mark.parametrize("use_bfloat16", [False, True])
def test_the_gradient_is_that_of_the_model_without_noise(use_bfloat16):
    """Twice the same, in float32, and TensorFlow's own."""
    model = tiny(use_bfloat16=use_bfloat16, dropout_rate=0.5)
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
    tolerance = 0.02 if use_bfloat16 else 1e-5
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


def test_pgd_is_as_strong_as_fgsm(model, test_digits):
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


@pytest.mark.parametrize("step_size", [None, 6.0])
def test_accuracies_agree_with_art(model, test_digits, step_size):
    """With the adversarial robustness toolbox, to one point."""
    images, labels = test_digits
    evaluator = on_batches(
        test_digits, 100, attacks.PGD(STEPS, step_size, seed=1)
    )
    found = evaluator.accuracies(model)
    classifier = art_classifier(model)
    for index, epsilon in enumerate(EPSILONS):
        size = step_size or 2.5 * epsilon / STEPS
        for name, attack in of_art(classifier, epsilon, size).items():
            changed = attack.generate(images, labels)
            expected = accuracy(model, changed, labels)
            assert found[name][index] == pytest.approx(expected, abs=0.01)
    for values in found.values():
        assert values[0] > 0.8 and values[-1] < 0.3


def art_classifier(model):
    from art.estimators.classification import TensorFlowV2Classifier

    return TensorFlowV2Classifier(
        model,
        nb_classes=10,
        input_shape=(8, 8, 3),
        loss_object=keras.losses.SparseCategoricalCrossentropy(
            from_logits=True
        ),
        clip_values=(0, 255),
    )


def of_art(classifier, epsilon, step_size):
    """ART's attacks of the same parameters."""
    from art.attacks import evasion

    return {
        "fgsm": evasion.FastGradientMethod(
            classifier, norm=np.inf, eps=epsilon, batch_size=400
        ),
        "pgd": evasion.ProjectedGradientDescent(
            classifier,
            norm=np.inf,
            eps=epsilon,
            eps_step=step_size,
            max_iter=STEPS,
            num_random_init=1,
            batch_size=400,
            verbose=False,
        ),
    }


def on_batches(examples, batch_size, pgd, epsilons=EPSILONS):
    images, labels = examples
    return AccuracyUnderAttack(
        functools.partial(
            padded_batches.for_worker, images, labels, batch_size
        ),
        len(labels),
        shown=False,
        attacks={"fgsm": attacks.FGSM(), "pgd": pgd},
        epsilons=epsilons,
    )


@pytest.mark.parametrize("batch_size", [7, 64])
def test_devices_and_batches_do_not_matter(
    weights, test_digits, batch_size, two_replicas
):
    examples = test_digits[0][:61], test_digits[1][:61]
    pgd = attacks.PGD(4, seed=5)
    expected = {}
    for name, attack in {"fgsm": attacks.FGSM(), "pgd": pgd}.items():
        expected[name] = [
            accuracy(
                trained(weights),
                attacked(attack, trained(weights), *examples, epsilon),
                examples[1],
            )
            for epsilon in (8, 0, 24)
        ]
    assert expected["pgd"][1] > expected["pgd"][0] > expected["pgd"][2]
    for strategy in (tf.distribute.get_strategy(), two_replicas):
        with strategy.scope():
            evaluator = on_batches(examples, batch_size, pgd, (8.0, 0.0, 24.0))
            model = trained(weights)
            found = evaluator.accuracies(model)
            metrics = evaluator(model)
        for name, values in expected.items():
            assert found[name] == pytest.approx(values)
        assert metrics["clean_accuracy"] == pytest.approx(values[1])
        assert metrics["pgd_24_accuracy"] == pytest.approx(values[2])
        assert metrics["num_images"] == 61


def test_a_model_is_traced_once_whatever_the_epsilons(weights, test_digits):
    examples = test_digits[0][:20], test_digits[1][:20]
    traces = []

    class Counting(keras.layers.Layer):
        def call(self, inputs):
            traces.append(inputs.shape)
            return inputs

    def counted(epsilons):
        images = keras.Input((8, 8, 3))
        model = keras.Model(
            images, trained(weights)(Counting()(images), training=False)
        )
        traces.clear()
        evaluator = on_batches(examples, 10, attacks.PGD(3), epsilons)
        evaluator(model)
        evaluator(model)
        return len(traces)

    assert counted((1.0,)) == counted(EPSILONS) < 20


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match=r"epsilons must be at least 0; got -"):
        on_batches(([], []), 1, attacks.PGD(), (1.0, -2.0))
    images = keras.Input((8, 8, 3))
    steps = keras.Model(images, keras.ops.cast(images > 1, "float32")[:, 0, 0])
    with pytest.raises(ValueError, match="has no gradient by its images"):
        attacks.input_gradient(
            steps, tf.zeros([1, 8, 8, 3]), tf.constant([0], tf.int64)
        )

"""What the suite adversarial measures of a model, and what it refuses."""

import dataclasses

import keras
import pytest
import tensorflow as tf

from noisy_student import config
from noisy_student.config.robustness import RobustnessConfig
from noisy_student.evaluation import attacks
from noisy_student.stages.experiment import Experiment
from noisy_student.stages.suites.adversarial import Adversarial
from noisy_student.training import distribution
from tests.settings import experiment
from tests.stages.suites.linear import spread_over

SETTINGS = RobustnessConfig(
    num_robustness_images=30, epsilons=(16, 4), pgd_steps=3
)


@pytest.fixture(scope="module")
def opened():
    settings = dataclasses.replace(
        experiment("none"),
        data=config.DataConfig("digits", input_image_size=8),
        run=config.RunConfig(distribution="one_device", eval_batch_size=7),
        seed=5,
    )
    devices = distribution.make_devices(settings.run)
    return Experiment.open(settings, devices)


@pytest.fixture(scope="module")
def model(opened):
    keras.utils.set_random_seed(0)
    images = keras.Input((8, 8, 3))
    hidden = keras.layers.Dense(32, "tanh")(keras.layers.Flatten()(images / 99))
    return keras.Model(images, keras.layers.Dense(10)(hidden))


def thirty_digits(opened):
    examples = spread_over(opened.data.test, 30)
    images = [
        tf.io.decode_png(each["encoded"], channels=3) for each in examples
    ]
    labels = tf.constant([each["label"] for each in examples])
    return tf.cast(tf.stack(images), tf.float32), labels


def test_accuracies_are_those_of_the_attacks(opened, model):
    suite = Adversarial(opened, SETTINGS)
    suite.validate()
    suite.check_model(model)
    with opened.devices.strategy.scope():
        results = suite.measure(model, "attack")
    assert results["num_images"] == 30
    assert results["epsilons"] == [0, 4, 16]
    images, labels = thirty_digits(opened)
    scores = {}
    for name, attack in (
        ("fgsm", attacks.FGSM()),
        ("pgd", attacks.PGD(3, seed=5)),
    ):
        perturb = attack.of(model, images, labels, tf.range(30, dtype=tf.int64))
        for place, epsilon in enumerate((0.0, 4.0, 16.0)):
            logits = model(perturb(tf.constant(epsilon))).numpy()
            expected = (logits.argmax(axis=1) == labels.numpy()).mean()
            found = results["accuracies"][name][place]
            assert found == pytest.approx(expected)
            scores[f"{name}_{epsilon:g}_accuracy"] = found
    scores["clean_accuracy"] = scores.pop("fgsm_0_accuracy")
    assert scores.pop("pgd_0_accuracy") == scores["clean_accuracy"]
    assert suite.summary(results, None) == scores
    assert len({*scores.values()}) > 1


def test_what_cannot_be_attacked_is_refused_before(opened):
    images = keras.Input((8, 8, 3))
    stairs = keras.ops.cast(images > 1, "float32")
    flat = keras.Model(images, stairs[:, 0, :, 0], name="stairs")
    for change, message in (
        ({"num_robustness_images": 401}, "401 is more than the 400 images"),
        ({"attacks": ()}, "attacks must name at least one"),
        ({}, "stairs has no gradient by its images"),
    ):
        suite = Adversarial(opened, dataclasses.replace(SETTINGS, **change))
        with pytest.raises(ValueError, match=message):
            suite.validate()
            suite.check_model(flat)

"""Accuracy under attack: against ART, on any devices, in any batches."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from noisy_student.evaluation import attacks
from noisy_student.evaluation.under_attack import AccuracyUnderAttack
from tests.evaluation import known_digits
from tests.evaluation.known_digits import EPSILONS, STEPS, accuracy, attacked


def padded_batches(images, labels, batch_size, context):
    """One pass in a replica's batches of a global batch of about that size."""
    assert context.num_input_pipelines == 1
    size = -(-batch_size // context.num_replicas_in_sync)
    padding = -len(labels) % size
    content = {
        "image": np.pad(images, [(0, padding), *[(0, 0)] * 3]),
        "label": np.pad(labels, (0, padding)),
        "row": np.pad(np.arange(len(labels)), (0, padding)),
        "weight": np.pad(np.ones(len(labels), np.float32), (0, padding)),
    }
    content["image"][len(labels) :] = np.nan
    return tf.data.Dataset.from_tensor_slices(content).batch(
        size, drop_remainder=True
    )


def on_batches(examples, batch_size, pgd, epsilons=EPSILONS):
    images, labels = examples
    return AccuracyUnderAttack(
        functools.partial(padded_batches, images, labels, batch_size),
        len(labels),
        shown=False,
        attacks={"fgsm": attacks.FGSM(), "pgd": pgd},
        epsilons=epsilons,
    )


@pytest.mark.parametrize("step_size", [None, 6.0])
def test_accuracies_agree_with_art(step_size):
    """With the adversarial robustness toolbox, to one point."""
    model = known_digits.trained()
    images, labels = test_digits = known_digits.examples()
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


@pytest.mark.parametrize(
    "batch_size", [7, pytest.param(64, marks=pytest.mark.slow)]
)
def test_devices_and_batches_do_not_matter(batch_size, two_replicas):
    images, labels = known_digits.examples()
    examples = images[:61], labels[:61]
    pgd = attacks.PGD(4, seed=5)
    expected, model = {}, known_digits.trained()
    for name, attack in {"fgsm": attacks.FGSM(), "pgd": pgd}.items():
        expected[name] = [
            accuracy(
                model, attacked(attack, model, *examples, epsilon), examples[1]
            )
            for epsilon in (8, 0, 24)
        ]
    assert expected["pgd"][1] > expected["pgd"][0] > expected["pgd"][2]
    for strategy in (tf.distribute.get_strategy(), two_replicas):
        with strategy.scope():
            evaluator = on_batches(examples, batch_size, pgd, (8.0, 0.0, 24.0))
            model = known_digits.trained()
            found = evaluator.accuracies(model)
            metrics = evaluator(model)
        for name, values in expected.items():
            assert found[name] == pytest.approx(values)
        assert metrics["clean_accuracy"] == pytest.approx(values[1])
        assert metrics["pgd_24_accuracy"] == pytest.approx(values[2])
        assert metrics["num_images"] == 61


def test_a_model_is_traced_once_whatever_the_epsilons():
    images, labels = known_digits.examples()
    examples = images[:20], labels[:20]
    traces = []

    class Counting(keras.layers.Layer):
        def call(self, inputs):
            traces.append(inputs.shape)
            return inputs

    def counted(epsilons):
        images = keras.Input((8, 8, 3))
        model = keras.Model(
            images, known_digits.trained()(Counting()(images), training=False)
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

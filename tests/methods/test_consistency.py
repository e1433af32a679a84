"""Losses of the consistency methods against NumPy, and their gradients."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax, softmax

from noisy_student import methods, models
from noisy_student.config import TrainConfig
from noisy_student.training import objective
from tests.methods import made
from tests.models.small import SMALL

HALF_UP = np.exp(-5 / 4)
SHARE = made.NUM_LABELED / (made.NUM_LABELED + made.NUM_UNLABELED)


class Identity(keras.Model):
    """Logits are the images, times a factor."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.factor = self.add_weight(shape=(), initializer="ones")
        self.factor.assign(factor)

    def call(self, images, training=False):
        return self.factor * images


def total(name, batch, average_factor=2.0, finished=40, **consistency):
    """The sum of the terms, as the step makes it, and its metrics."""
    method = methods.find(name).from_context(made.context(name, **consistency))
    result = made.compute(
        method,
        Identity(),
        Identity(average_factor),
        {key: batch[key] for key in method.batch_keys},
        tf.constant(finished, tf.int64),
    )
    kernel = tf.Variable([0.0], name="kernel")
    loss, metrics = objective.total_loss(result, [kernel], weight_decay=0.0)
    return float(loss), {name: float(x) for name, x in metrics.items()}


def both(batch, *keys):
    return np.concatenate([batch[key] for key in keys])


def expected_loss(batch, targets, weight, has_target=1.0):
    """Algorithm 1 of Laine & Aila, written down again."""
    images = both(batch, "image", "unlabeled_image")
    labels = batch["label"]
    chosen = log_softmax(batch["image"], axis=1)[np.arange(3), labels]
    cross_entropy = -(batch["label_weight"] * chosen).sum() / len(images)
    squares = ((softmax(images, axis=1) - targets) ** 2).mean(axis=1)
    valid = np.concatenate([np.ones(3), batch["unlabeled_weight"]])
    return cross_entropy + weight * (valid * has_target * squares).mean()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("finished", "ramp"), [(0, 0), (40, HALF_UP), (80, 1)])
def test_pi_model_against_numpy(seed, finished, ramp):
    batch = made.batch(seed)
    second = both(batch, "second_image", "unlabeled_second_image")
    weight = 100 * SHARE * ramp
    expected = expected_loss(batch, softmax(second, axis=1), weight)
    loss, metrics = total("pi_model", batch, finished=finished)
    assert loss == pytest.approx(expected, rel=1e-5)
    assert metrics["cons/weight"] == pytest.approx(weight, rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_mean_teacher_against_numpy(seed):
    batch = made.batch(seed)
    second = 2 * both(batch, "second_image", "unlabeled_second_image")
    weight = 10 * SHARE * HALF_UP
    expected = expected_loss(batch, softmax(second, axis=1), weight)
    loss, _ = total("mean_teacher", batch, max_consistency_weight=10)
    assert loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_temporal_ensembling_against_numpy(seed):
    method = methods.find("temporal_ensembling").from_context(
        made.context("temporal_ensembling", max_consistency_weight=30)
    )
    past, batch = made.batch(seed + 10), made.batch(seed)
    batch["row"] = past["row"]
    batch["unlabeled_row"][:2] = past["unlabeled_row"][:2]  # one was broken
    for now in (past, batch):
        result = made.compute(
            method, Identity(), None, now, tf.constant(40, tf.int64)
        )
    ours, _ = objective.total_loss(
        result, [tf.Variable([0.0], name="kernel")], 0.0
    )
    before = softmax(both(past, "image", "unlabeled_image"), axis=1)
    known = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0])  # the others are new
    expected = expected_loss(
        batch, before * known[:, None], 30 * SHARE * HALF_UP, known
    )
    assert float(ours) == pytest.approx(expected, rel=1e-5)


def test_an_image_weighs_nothing_in_its_first_epoch():
    _, metrics = total("temporal_ensembling", made.batch())
    assert metrics["cons/weight"] > 0 and metrics["cons/loss"] == 0


def test_masked_labels_weigh_nothing_but_their_images_do():
    batch = made.batch()
    batch["label_weight"] = np.array([0, 1, 0], np.float32)
    second = both(batch, "second_image", "unlabeled_second_image")
    expected = expected_loss(batch, softmax(second, axis=1), 100 * SHARE)
    assert total("pi_model", batch, finished=80)[0] == pytest.approx(
        expected, rel=1e-5
    )


def consistency_gradients(name):
    """Of the consistency term alone, for both passes and the teacher."""
    method = methods.find(name).from_context(made.context(name))
    batch = {k: tf.constant(x) for k, x in made.batch().items()}
    # A perfect student of its labels, so that nothing else pulls.
    student, average = Identity(), Identity(3.0)
    if name == "temporal_ensembling":
        method.ensemble.update(
            tf.range(made.NUM_LABELED + made.NUM_UNLABELED),
            tf.ones([made.NUM_LABELED + made.NUM_UNLABELED, 4]) / 4,
            tf.ones([made.NUM_LABELED + made.NUM_UNLABELED], tf.bool),
        )
    views = [batch["unlabeled_image"], batch["unlabeled_second_image"]]
    sources = [student.factor.value, average.factor.value, *views]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        result = made.compute(
            method, student, average, batch, tf.constant(40, tf.int64)
        )
        loss = result.terms["cons/loss"].mean()
    return [
        g is not None and float(tf.norm(g)) > 0
        for g in tape.gradient(loss, sources)
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # Student, teacher, first view, second view.
        ("pi_model", [True, False, True, True]),
        ("mean_teacher", [True, False, True, False]),
        ("temporal_ensembling", [True, False, True, False]),
    ],
)
def test_gradients_reach_the_student_and_not_the_teacher(name, expected):
    assert consistency_gradients(name) == expected


def test_pi_models_gradient_is_that_of_both_passes():
    batch = {k: tf.constant(x) for k, x in made.batch().items()}
    method = methods.find("pi_model").from_context(made.context("pi_model"))
    keys = ("unlabeled_image", "unlabeled_second_image")

    def gradient(images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            result = made.compute(
                method,
                Identity(),
                None,
                batch | dict(zip(keys, images, strict=True)),
                tf.constant(40, tf.int64),
            )
            loss = result.terms["cons/loss"].mean()
        return tape.gradient(loss, images)

    first, second = gradient([batch[key] for key in keys])
    swapped = gradient([batch[key] for key in reversed(keys)])
    np.testing.assert_allclose(first, swapped[1], atol=1e-7)
    np.testing.assert_allclose(second, swapped[0], atol=1e-7)


@pytest.mark.parametrize(
    "name", ["pi_model", "temporal_ensembling", "mean_teacher"]
)
def test_methods_without_unlabelled_images_are_refused(name):
    context = made.context(name)
    methods.find(name).check(context)
    for bad in (
        {"num_unlabeled": 0},
        {"train": TrainConfig(name, unlabel_ratio=0)},
    ):
        with pytest.raises(ValueError, match="learns from unlabelled images"):
            methods.find(name).check(dataclasses.replace(context, **bad))


def test_the_teacher_has_noise_of_its_own():
    """Dropout and the batch's statistics, which leave its weights alone."""
    teacher = models.build_model(SMALL)
    batch = made.batch(shape=(32, 32, 3), scale=50.0)
    method = methods.find("mean_teacher").from_context(
        made.context("mean_teacher")
    )
    before = teacher.get_weights()

    def confidence():
        result = made.compute(
            method,
            lambda images, training: tf.ones([len(images), 10]),
            teacher,
            batch,
            tf.constant(40, tf.int64),
        )
        return float(result.metrics["unl/target_prob"])

    assert confidence() != confidence()
    for old, new in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)

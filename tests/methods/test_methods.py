import dataclasses
import pathlib
import sys

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax, softmax

from noisy_student import methods
from noisy_student.config import ConsistencyConfig
from noisy_student.methods import noisy_student
from noisy_student.training import objective
from tests.settings import experiment

GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.normal(size=(3, 4)).astype(np.float32)
UNLABELED = GENERATOR.normal(size=(6, 4)).astype(np.float32)
PROBABILITIES = GENERATOR.dirichlet(np.ones(4), size=6).astype(np.float32)
BATCH = {
    "image": IMAGES,
    "label": np.array([0, 2, 1]),
    "label_weight": np.ones(3, np.float32),
    "unlabeled_image": UNLABELED,
    "unlabeled_label": PROBABILITIES.argmax(axis=1),
    "unlabeled_probabilities": PROBABILITIES,
    "unlabeled_weight": np.array([1, 0, 1, 1, 0, 1], np.float32),
}
STEP = tf.constant(0, tf.int64)


class Student:
    """Logits are the images; remembers how it was called."""

    def __init__(self):
        self.calls = []

    def __call__(self, images, training):
        self.calls.append((tf.shape(images).numpy().tolist(), training))
        return images


def smooth(labels, smoothing=0.1):
    return np.eye(4)[labels] * (1 - smoothing) + smoothing / 4


def mean_cross_entropy(targets, logits, weights=1):
    losses = -(targets * log_softmax(logits, axis=1)).sum(axis=1)
    return (weights * losses).mean()


def total(method, student=None):
    result = method.compute_losses(student or Student(), None, BATCH, STEP)
    kernel = tf.Variable([[2.0]], name="kernel")
    return objective.total_loss(result, [kernel], weight_decay=0.5)


def test_supervised_loss_against_numpy():
    loss, metrics = total(methods.Supervised(label_smoothing=0.1))
    expected = mean_cross_entropy(smooth(BATCH["label"]), IMAGES)
    assert float(metrics["train/data_loss"]) == pytest.approx(
        expected, rel=1e-5
    )
    assert float(loss) == pytest.approx(expected + 0.5 * 2.0, rel=1e-5)
    accuracy = (IMAGES.argmax(axis=1) == BATCH["label"]).mean()
    assert float(metrics["lab/acc"]) == pytest.approx(accuracy)


@pytest.mark.parametrize("temperature", [-1.0, 1.0, 0.5])
def test_noisy_student_loss_against_numpy(temperature):
    _, metrics = total(noisy_student.NoisyStudent(0.1, 2.0, temperature))
    if temperature == -1:
        targets = smooth(PROBABILITIES.argmax(axis=1))
    else:
        targets = PROBABILITIES ** (1 / temperature)
        targets /= targets.sum(axis=1, keepdims=True)
    labeled = mean_cross_entropy(smooth(BATCH["label"]), IMAGES)
    unlabeled = mean_cross_entropy(
        targets, UNLABELED, BATCH["unlabeled_weight"]
    )
    assert float(metrics["lab/loss"]) == pytest.approx(labeled, rel=1e-4)
    assert float(metrics["ext/loss"]) == pytest.approx(unlabeled, rel=1e-4)
    assert float(metrics["train/data_loss"]) == pytest.approx(
        labeled + 2.0 * unlabeled, rel=1e-4
    )


def test_both_kinds_of_images_share_one_noised_pass():
    student = Student()
    total(noisy_student.NoisyStudent(0.1, 2.0), student)
    assert student.calls == [([9, 4], True)]


def test_soft_labels_of_a_one_hot_teacher_are_hard_ones():
    batch = BATCH | {
        "unlabeled_probabilities": np.eye(4, dtype=np.float32)[
            BATCH["unlabeled_label"]
        ]
    }
    soft, hard = (
        noisy_student.NoisyStudent(0.0, 1.0, temperature)
        .compute_losses(Student(), None, batch, STEP)
        .terms["ext/loss"]
        .mean()
        for temperature in (1.0, -1.0)
    )
    assert float(soft) == pytest.approx(float(hard), rel=1e-6)


def test_weights_mask_examples_but_not_the_denominator():
    term = methods.LossTerm(tf.constant([1.0, 5.0]), tf.constant([1.0, 0.0]))
    assert float(term.mean()) == 0.5


def test_every_name_has_its_method():
    classes = {methods.find(name) for name in methods.names()}
    assert len(classes) == len(methods.names()) == 5


def test_every_file_of_a_method_is_found():
    folder = pathlib.Path(methods.__file__).parent
    shared = ("__init__", "base", "consistency")
    files = {
        path.stem
        for path in folder.glob("*.py")
        if "def compute_losses(" in path.read_text() and path.stem not in shared
    }
    assert files == set(methods.names())


@pytest.mark.parametrize("name", ["pi", "losses", None])
def test_unknown_names_are_refused_with_the_known(name):
    known = "mean_teacher, noisy_student, pi_model, supervised, temporal_ens"
    with pytest.raises(ValueError, match=f"must be one of {known}"):
        methods.find(name)


def built(**train):
    """The method of an experiment."""
    config = methods.with_defaults(experiment("x", **train))
    context = methods.MethodContext(config.train, config.consistency, 4, 50)
    return methods.find(config.train.method).from_context(context)


def test_a_method_follows_the_settings():
    made = built(unlabel_ratio=7, teacher_softmax_temp=0.5)
    assert isinstance(made, noisy_student.NoisyStudent)
    assert made.unlabel_ratio == 7 and made.temperature == 0.5
    assert built().label_smoothing == 0.1


def test_the_method_follows_the_ratio():
    def chosen(method=None, **train):
        return experiment("x", method, **train).train.method

    assert chosen() == "supervised"
    assert chosen(unlabel_ratio=2) == "noisy_student"
    assert chosen(unlabel_ratio=2, method="supervised") == "supervised"


def decided(max_consistency_weight=None, **train):
    """The four settings whose defaults the method decides."""
    config = dataclasses.replace(
        experiment("x", **train),
        consistency=ConsistencyConfig(
            max_consistency_weight=max_consistency_weight
        ),
    )
    config = methods.with_defaults(config)
    return (
        config.train.optimizer,
        config.train.learning_rate_schedule,
        config.train.label_smoothing,
        config.consistency.max_consistency_weight,
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("supervised", ("rmsprop", "staircase", 0.1, 100)),
        ("noisy_student", ("rmsprop", "staircase", 0.1, 100)),
        ("pi_model", ("adam", "ramps", 0, 100)),
        ("mean_teacher", ("adam", "ramps", 0, 100)),
        ("temporal_ensembling", ("adam", "ramps", 0, 30)),
    ],
)
def test_methods_have_the_defaults_of_their_papers(name, expected):
    assert decided(method=name) == expected


def test_settings_come_before_the_methods_defaults():
    staircase = ("sgd", "staircase")
    assert decided(method="pi_model", optimizer="sgd")[:2] == staircase
    assert decided(optimizer="adam")[1] == "ramps"
    assert decided(optimizer="adamw")[1] == "cosine"
    given = decided(
        0.0,
        optimizer="adam",
        learning_rate_schedule="staircase",
        label_smoothing=0.0,
    )
    assert given == ("adam", "staircase", 0, 0)


class Elsewhere(methods.Supervised):
    """Not of the folder of methods, with defaults of its own."""

    default_optimizer = "sgd"
    default_schedule = "ramps"
    default_label_smoothing = 0.25
    default_max_consistency_weight = 7.0


def test_a_method_from_elsewhere_has_its_own_defaults(monkeypatch):
    monkeypatch.setitem(sys.modules, "elsewhere", sys.modules[__name__])
    found = decided(method="elsewhere:Elsewhere")
    assert found == ("sgd", "ramps", 0.25, 7.0)


TEACHER_LOGITS = GENERATOR.normal(size=(6, 4)).astype(np.float32)


class Teacher(Student):
    """Logits of its own, whatever it sees."""

    def __call__(self, images, training):
        super().__call__(images, training)
        return tf.constant(TEACHER_LOGITS)


@pytest.mark.parametrize("temperature", [-1.0, 1.0, 0.5])
def test_a_teacher_in_the_step_against_numpy(temperature):
    teacher = Teacher()
    method = noisy_student.NoisyStudent(0.1, 2.0, temperature, teacher, False)
    assert "teacher_image" in method.batch_keys
    assert "unlabeled_probabilities" not in method.batch_keys
    batch = BATCH | {"teacher_image": UNLABELED}
    batch = {key: batch[key] for key in method.batch_keys}
    result = method.compute_losses(Student(), None, batch, STEP)
    if temperature == -1:
        targets = smooth(TEACHER_LOGITS.argmax(axis=1))
    else:
        targets = softmax(TEACHER_LOGITS / temperature, axis=1)
    expected = mean_cross_entropy(targets, UNLABELED, BATCH["unlabeled_weight"])
    ours = float(result.terms["ext/loss"].mean())
    assert ours == pytest.approx(expected, rel=1e-5)
    assert "unl/acc_to_dump" not in result.metrics
    assert teacher.calls == [([6, 4], False)]


def test_a_sure_teacher_in_the_step_gives_hard_labels():
    class Sure(Teacher):
        def __call__(self, images, training):
            return 1000 * tf.one_hot(BATCH["unlabeled_label"], 4)

    soft, hard = (
        noisy_student.NoisyStudent(0.0, 1.0, temperature, Sure())
        .compute_losses(
            Student(), None, BATCH | {"teacher_image": UNLABELED}, STEP
        )
        .terms["ext/loss"]
        .mean()
        for temperature in (1.0, -1.0)
    )
    assert float(soft) == pytest.approx(float(hard), rel=1e-6)


def test_masked_labels_weigh_nothing():
    batch = BATCH | {"label_weight": np.array([1, 0, 1], np.float32)}
    result = methods.Supervised(0.1).compute_losses(
        Student(), None, batch, STEP
    )
    expected = mean_cross_entropy(
        smooth(BATCH["label"]), IMAGES, batch["label_weight"]
    )
    ours = float(result.terms["lab/loss"].mean())
    assert ours == pytest.approx(expected, rel=1e-5)

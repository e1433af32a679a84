"""Scores against scikit-learn, and tables made by hand."""

import numpy as np
import pytest
from sklearn import metrics

from noisy_student.evaluation import Answers, scores


def made(labels, predictions, confidences=None):
    size = len(labels)
    return Answers(
        np.array(labels),
        np.array(predictions),
        np.ones(size) if confidences is None else np.array(confidences),
        np.linspace(0, 2, size),
        np.arange(size) % 2 == 0,
    )


@pytest.fixture(scope="module")
def answers():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 6, 300)
    predictions = np.where(
        generator.random(300) < 0.6, labels, generator.integers(0, 7, 300)
    )
    return made(labels, predictions, generator.uniform(0.2, 1, 300))


def test_the_summary_is_scikit_learns(answers):
    found = scores.summary(answers)
    labels, predictions = answers.labels, answers.predictions
    present = np.unique(labels)  # class 6 is predicted alone
    assert found == {
        "top_1_accuracy": metrics.accuracy_score(labels, predictions),
        "top_5_accuracy": 0.5,
        "loss": pytest.approx(1),
        "mean_class_accuracy": pytest.approx(
            metrics.recall_score(
                labels, predictions, labels=present, average="macro"
            )
        ),
        "macro_f1": pytest.approx(
            metrics.f1_score(
                labels, predictions, labels=present, average="macro"
            )
        ),
        "expected_calibration_error": pytest.approx(error_by_hand(answers)),
    }


def error_by_hand(answers, bins=15):
    error = 0
    for number in range(bins):
        inside = (answers.confidences > number / bins) & (
            answers.confidences <= (number + 1) / bins
        )
        if inside.any():
            gap = answers.correct[inside] - answers.confidences[inside]
            error += abs(gap.mean()) * inside.mean()
    return error


def test_confusion_and_classes_are_scikit_learns(answers):
    confusion = scores.confusion(answers, 7)
    expected = metrics.confusion_matrix(
        answers.labels, answers.predictions, labels=range(7)
    )
    np.testing.assert_array_equal(confusion, expected)
    found = scores.class_scores(confusion)
    precision, recall, f1, images = metrics.precision_recall_fscore_support(
        answers.labels, answers.predictions, labels=range(6)
    )
    for ours, truth in zip(found, (images, recall, precision, f1), strict=True):
        np.testing.assert_allclose(ours[:6], truth)
    # Nothing is of the last class, and something was taken for it.
    assert found.images[6] == 0 and found.precision[6] == 0
    assert np.isnan(found.accuracy[6]) and np.isnan(found.f1[6])


def test_bounds_belong_to_the_bin_below():
    table = scores.reliability(
        made([0, 0, 0, 1], [0, 0, 1, 1], [0.0, 0.5, 0.51, 1.0]), bins=2
    )
    assert [row.images for row in table] == [2, 2]
    assert table[0] == (0.0, 0.5, 2, 1.0, 0.25)
    assert table[1] == (0.5, 1.0, 2, 0.5, pytest.approx(0.755))
    assert scores.calibration_error(table) == pytest.approx((0.75 + 0.255) / 2)


def test_a_model_as_sure_as_it_is_right_is_calibrated():
    generator = np.random.default_rng(1)
    sure = generator.uniform(0, 1, 200_000)
    right = generator.random(200_000) < sure
    answers = made(np.zeros(200_000, int), 1 - right, sure)
    assert scores.summary(answers)["expected_calibration_error"] < 0.01

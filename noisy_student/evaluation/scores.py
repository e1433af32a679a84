"""Scores of a model's answers, in NumPy: accuracy, calibration, confusion."""

import dataclasses
import itertools
from typing import NamedTuple

import numpy as np

BINS = 15  # of confidences, as Guo et al. have them (arXiv 1706.04599)


@dataclasses.dataclass(frozen=True)
class Answers:
    """A model's answers to some images, in their order.

    Attributes:
        labels: The true classes, int64 (images,).
        predictions: The most probable classes, int64 (images,).
        confidences: Their probabilities, float64 (images,), in [0, 1].
        losses: Cross entropy with the true class, float64 (images,), >= 0.
        in_top_5: Whether the true class is among the five most probable
            ones, bool (images,).
    """

    labels: np.ndarray
    predictions: np.ndarray
    confidences: np.ndarray
    losses: np.ndarray
    in_top_5: np.ndarray

    @property
    def correct(self) -> np.ndarray:
        """Whether the most probable class is the true one, bool (images,)."""
        return self.predictions == self.labels


class Bin(NamedTuple):
    """Images whose confidence lies in one bin.

    Attributes:
        low, high: Its bounds; confidences are in (low, high].
        images: Number of images.
        accuracy: Share of them that is correct; 0 where there are none.
        confidence: Their mean confidence; 0 where there are none.
    """

    low: float
    high: float
    images: int
    accuracy: float
    confidence: float


class ClassScores(NamedTuple):
    """Scores of each class, arrays (classes,).

    Attributes:
        images: Number of its images.
        accuracy: Share of its images that are correct (recall); NaN where
            there are none.
        precision: Share of the images that were taken for it that are of it;
            NaN where there are none.
        f1: Harmonic mean of both; 0 for a class that has images and none
            correct, NaN for one without images.
    """

    images: np.ndarray
    accuracy: np.ndarray
    precision: np.ndarray
    f1: np.ndarray


def summary(answers: Answers) -> dict[str, float]:
    """Returns the scores that are single numbers.

    `top_1_accuracy`, `top_5_accuracy`, `loss` (mean cross entropy, nats),
    `mean_class_accuracy` and `macro_f1` (means over the classes that have
    images) and `expected_calibration_error`. Accuracies, F1 and the error are
    in [0, 1].
    """
    num_classes = 1 + int(max(answers.labels.max(), answers.predictions.max()))
    of_classes = class_scores(confusion(answers, num_classes))
    return {
        "top_1_accuracy": float(answers.correct.mean()),
        "top_5_accuracy": float(answers.in_top_5.mean()),
        "loss": float(answers.losses.mean()),
        "mean_class_accuracy": float(np.nanmean(of_classes.accuracy)),
        "macro_f1": float(np.nanmean(of_classes.f1)),
        "expected_calibration_error": calibration_error(reliability(answers)),
    }


def confusion(answers: Answers, num_classes: int) -> np.ndarray:
    """Counts images by true class (rows) and predicted class (columns).

    Returns:
        int64 (num_classes, num_classes).
    """
    counts = np.zeros([num_classes, num_classes], np.int64)
    np.add.at(counts, (answers.labels, answers.predictions), 1)
    return counts


def class_scores(counts: np.ndarray) -> ClassScores:
    """Computes the scores of each class.

    Args:
        counts: See `confusion`.
    """
    correct, images = counts.diagonal(), counts.sum(axis=1)
    predicted = counts.sum(axis=0)
    with np.errstate(invalid="ignore"):
        accuracy, precision = correct / images, correct / predicted
        f1 = np.where(images > 0, 2 * correct / (images + predicted), np.nan)
    return ClassScores(images, accuracy, precision, f1)


def reliability(answers: Answers, bins: int = BINS) -> list[Bin]:
    """Holds accuracy against confidence, in bins of the same width.

    A reliability diagram draws it (Guo et al., arXiv 1706.04599, section 2).
    """
    edges = np.linspace(0, 1, bins + 1)
    # Rounded up, so that 0.2 is in (0.1, 0.2]; a confidence of 0 is in the
    # first bin, too.
    places = np.clip(np.ceil(answers.confidences * bins) - 1, 0, bins - 1)
    table = []
    for place, (low, high) in enumerate(itertools.pairwise(edges)):
        inside = places == place
        images = int(inside.sum())
        accuracy = float(answers.correct[inside].mean()) if images else 0.0
        mean = float(answers.confidences[inside].mean()) if images else 0.0
        table.append(Bin(float(low), float(high), images, accuracy, mean))
    return table


def calibration_error(table: list[Bin]) -> float:
    """Returns the expected calibration error.

    It is the mean distance of accuracy and confidence over the bins, by their
    images (Guo et al., arXiv 1706.04599, equation 3).
    """
    total = sum(row.images for row in table)
    return sum(
        row.images / total * abs(row.accuracy - row.confidence) for row in table
    )

"""How good pseudo labels are: counts, and the student's opinion, in NumPy."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# Of the teacher's probabilities; a bin has its lower edge, the last one both.
EDGES = np.arange(0, 101, 5) / 100


class TeacherLabels(NamedTuple):
    """Pseudo labels of some images, arrays (images,).

    Attributes:
        labels: the teacher's most probable classes, int64.
        confidences: their probabilities, float; 0 where an image could not
            be decoded.
        copies: records of each image, int64; 0 where it was not kept.
        truth: the true classes, int64; negative where unknown, and beyond the
            classes where an image is known to be of none of them.
    """

    labels: np.ndarray
    confidences: np.ndarray
    copies: np.ndarray
    truth: np.ndarray

    def where(self, mask: np.ndarray) -> "TeacherLabels":
        """Returns the images where `mask`, bool (images,), is true."""
        return TeacherLabels(*(column[mask] for column in self))

    @classmethod
    def joined(cls, parts: Sequence["TeacherLabels"]) -> "TeacherLabels":
        """Returns the images of several, one after the other."""
        return cls(*map(np.concatenate, zip(*parts, strict=True)))


class StudentAnswers(NamedTuple):
    """What the student says of images with pseudo labels, arrays (images,).

    Attributes:
        predictions: its most probable classes, int64.
        confidences: their probabilities, float.
        self_confidences: its probabilities of the pseudo labels, float.
    """

    predictions: np.ndarray
    confidences: np.ndarray
    self_confidences: np.ndarray

    @classmethod
    def of(
        cls, probabilities: np.ndarray, labels: np.ndarray
    ) -> "StudentAnswers":
        """Takes the answers from the student's probabilities.

        Args:
            probabilities: float (images, classes).
            labels: the pseudo labels, int (images,).
        """
        return cls(
            probabilities.argmax(axis=1),
            probabilities.max(axis=1),
            self_confidence(probabilities, labels),
        )

    @classmethod
    def joined(cls, parts: Sequence["StudentAnswers"]) -> "StudentAnswers":
        """Returns the images of several, one after the other."""
        return cls(*map(np.concatenate, zip(*parts, strict=True)))


class Counts(NamedTuple):
    """Images in groups, all int64 (groups,).

    Attributes:
        images: number of images.
        known: of these, those whose true label is known.
        correct: of these, those whose pseudo label is the true one.
    """

    images: np.ndarray
    known: np.ndarray
    correct: np.ndarray

    @classmethod
    def of(
        cls, groups: np.ndarray, images: TeacherLabels, num_groups: int
    ) -> "Counts":
        """Counts images.

        Args:
            groups: the group of each image, int (images,), from 0.
            images: the images.
            num_groups: number of groups.
        """
        labels, _, _, truth = images
        masks = (np.ones(len(groups), bool), truth >= 0, truth == labels)
        return cls(
            *(np.bincount(groups[m], minlength=num_groups) for m in masks)
        )

    @property
    def accuracy(self) -> np.ndarray:
        """Correct by known, float64 (groups,); NaN where none is known."""
        return ratio(self.correct, self.known)

    def at(self, group: int) -> "Counts":
        """Returns the counts of one group, arrays (1,)."""
        return Counts(*(column[group : group + 1] for column in self))

    def all_groups(self) -> "Counts":
        """Returns the counts of all groups as one, arrays (1,)."""
        return Counts(*(column.sum(keepdims=True) for column in self))


class Tally(NamedTuple):
    """Images by pseudo label, and by the teacher's probability in `EDGES`."""

    by_class: Counts
    by_confidence: Counts

    @classmethod
    def of(cls, images: TeacherLabels, num_classes: int) -> "Tally":
        """Counts images, which all could be decoded."""
        num_bins = len(EDGES) - 1
        # In float64, as filtering compares them with its thresholds.
        confidences = images.confidences.astype(np.float64)
        bins = np.searchsorted(EDGES, confidences, "right") - 1
        # Rounding may put a probability above 1.
        bins = np.minimum(bins, num_bins - 1)
        return cls(
            Counts.of(images.labels, images, num_classes),
            Counts.of(bins, images, num_bins),
        )

    @classmethod
    def total(cls, parts: Sequence["Tally"]) -> "Tally":
        """Returns the counts of several together."""
        return cls(
            *(
                Counts(*(sum(column) for column in zip(*counts, strict=True)))
                for counts in zip(*parts, strict=True)
            )
        )


def self_confidence(
    probabilities: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """Returns a model's probability of the label that each image was given.

    The lower it is, the more likely the label is wrong. cleanlab ranks by it
    under the name `self_confidence` (Northcutt et al., arXiv 1911.00068); it is
    one line of NumPy here, without that library.

    Args:
        probabilities: float (images, classes).
        labels: the given labels, int (images,).

    Returns:
        float (images,), in [0, 1].
    """
    return probabilities[np.arange(len(labels)), labels]


def most_disputed(self_confidences: np.ndarray, number: int) -> np.ndarray:
    """Returns the places of the lowest values, the lowest first.

    Args:
        self_confidences: float (images,).
        number: how many at most.

    Returns:
        int64 (at most `number`,); of equal values the first one comes first.
    """
    return np.argsort(self_confidences, kind="stable")[:number]


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Returns part by whole, float64; NaN where both are 0."""
    with np.errstate(invalid="ignore"):
        return np.divide(part, whole)

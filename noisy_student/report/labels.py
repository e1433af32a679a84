"""The pseudo labels of a student as the report shows them.

`stages/` reads them; this module knows no file.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

NO_CLASS = "(none of the classes)"


@dataclasses.dataclass(frozen=True)
class Example:
    """An unlabelled image with the label that a teacher gave it.

    Attributes:
        encoded: JPEG, PNG, BMP or GIF.
        label: the pseudo label.
        probability: the teacher's, of that label, in [0, 1].
        truth: the true label; see `true_name`.
        is_kept: whether the student learned from it.
    """

    encoded: bytes
    label: int
    probability: float
    truth: int
    is_kept: bool


def true_name(truth: int, names: Sequence[str]) -> str:
    """Says what an unlabelled image is of.

    Args:
        truth: its true label; negative where it is unknown, and beyond the
            classes where it is known to be none of them.
        names: those of the classes.

    Returns:
        The name of its class; "" where it is unknown.
    """
    if truth < 0:
        return ""
    return names[truth] if truth < len(names) else NO_CLASS


@dataclasses.dataclass(frozen=True)
class Labels:
    """What became of the images that a student was to learn from.

    Attributes:
        generation: the student's.
        predicted: images predicted as each class, int (classes,).
        above: of these, those at or above their class's threshold.
        kept: of these, those that balancing kept.
        records: the copies written of the kept ones.
        thresholds: of each class, in [0, 1].
        min_threshold: that of the settings.
        accuracy: share of kept labels that are right; None if unknown.
        undecodable: images that could not be decoded.
        seconds: that predicting and filtering took.
        histogram: int (classes, 101), see `select.histogram`; None where the
            run has it no more.
        examples: some images.
        missing: why there are no examples, or not of both kinds; "" if there
            are.
    """

    generation: int
    predicted: Sequence[int]
    above: Sequence[int]
    kept: Sequence[int]
    records: Sequence[int]
    thresholds: Sequence[float]
    min_threshold: float
    accuracy: float | None
    undecodable: int
    seconds: float
    histogram: np.ndarray | None = None
    examples: Sequence[Example] = ()
    missing: str = ""

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """The counts of images by their titles, each int (classes,)."""
        return {
            "predicted": np.array(self.predicted),
            "above threshold": np.array(self.above),
            "kept": np.array(self.kept),
            "written": np.array(self.records),
        }

    @property
    def is_above(self) -> np.ndarray:
        """Which bins of the histogram are above, bool (classes, 101)."""
        edges = np.arange(101) / 100
        return edges >= np.array(self.thresholds)[:, None] - 1e-9

"""What filtering and balancing kept, and of what it was made."""

import dataclasses
import json
import pathlib
from typing import Any

import numpy as np

from noisy_student.data import record_files
from noisy_student.files import stamps, writing
from noisy_student.pseudo_labels.select import Balance

STATS_FILE = "stats.json"
# Of the images' identity, where filtered ones were labelled anew.
REASSIGNED_FROM = "reassigned_from"
# Of the identity, what does not decide labelled and test images.
_OF_UNLABELED = ("unlabel_split", "unlabel_image_dir", REASSIGNED_FROM)


@dataclasses.dataclass(frozen=True)
class PseudoLabelStats:
    """What filtering and balancing kept.

    Attributes:
        kept: images, each counted once.
        records: with their copies.
        correct: kept images whose pseudo label is the true one; None where
            the source does not know the truth.
        undecodable: images that could not be decoded.
        seconds: that prediction and filtering took.
        made_from: the images, the teacher and the settings.
        files: bytes of each file of records, by name.
        predicted, above_threshold, kept_per_class, records_per_class,
            threshold: one value a class.
    """

    kept: int
    records: int
    correct: int | None
    undecodable: int
    seconds: float
    made_from: dict[str, Any]
    files: dict[str, int]
    predicted: list[int]
    above_threshold: list[int]
    kept_per_class: list[int]
    records_per_class: list[int]
    threshold: list[float]

    @property
    def accuracy(self) -> float | None:
        """Share of kept images with the true label, in [0, 1]."""
        if self.correct is None or self.kept == 0:
            return None
        return self.correct / self.kept

    @classmethod
    def of(
        cls,
        balance: Balance,
        tally: "Tally",
        seconds: float,
        made_from: dict[str, Any],
        files: dict[str, int],
    ) -> "PseudoLabelStats":
        """Sums up all parts.

        Args:
            balance: what was chosen.
            tally: what was written, of all parts.
            seconds: that it took.
            made_from: the settings.
            files: bytes by name.
        """
        kept, records, correct, unknown = tally.per_class.T
        return cls(
            kept=int(kept.sum()),
            records=int(records.sum()),
            correct=None if unknown.any() else int(correct.sum()),
            undecodable=tally.images - int(balance.counts.sum()),
            seconds=round(seconds, 1),
            made_from=made_from,
            files=files,
            predicted=balance.counts.sum(axis=1).tolist(),
            above_threshold=balance.totals.tolist(),
            kept_per_class=kept.tolist(),
            records_per_class=records.tolist(),
            threshold=balance.thresholds.tolist(),
        )

    @classmethod
    def load(cls, directory: pathlib.Path) -> "PseudoLabelStats":
        """Reads what `filter_and_balance` left in a directory."""
        return cls(**json.loads((directory / STATS_FILE).read_text()))


@dataclasses.dataclass(frozen=True)
class Tally:
    """What was written of a part; tallies add up.

    Attributes:
        images: of the part.
        per_class: int64 (classes, 4): images kept, records written, kept
            images whose label is the true one, and kept images whose true
            one is unknown.
        seconds: that it took.
        size: bytes of the records.
    """

    images: int
    per_class: np.ndarray
    seconds: float
    size: int

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.images + other.images,
            self.per_class + other.per_class,
            self.seconds + other.seconds,
            self.size + other.size,
        )

    def save(self, path: pathlib.Path) -> None:
        """Writes JSON."""
        per_class = self.per_class.tolist()
        value = dataclasses.asdict(self) | {"per_class": per_class}
        writing.write_json(path, value)

    @classmethod
    def load(cls, path: pathlib.Path) -> "Tally":
        """Reads what `save` wrote."""
        value = json.loads(path.read_text())
        return cls(**value | {"per_class": np.array(value["per_class"])})


def record_paths(directory: pathlib.Path) -> list[str]:
    """The files of pseudo-labelled records.

    Raises:
        ValueError: the directory has none, filtering did not finish, or a
            file is not what was written.
    """
    if not (directory / STATS_FILE).exists():
        raise ValueError(
            f"{directory} does not hold pseudo-labelled records (data/train-* "
            f"and {STATS_FILE}); tools/filter_unlabel.py writes them."
        )
    paths = []
    for name, size in PseudoLabelStats.load(directory).files.items():
        path = directory / "data" / name
        if not path.exists() or path.stat().st_size != size:
            raise ValueError(
                f"{path} {_fault(path, size)}. Remove {directory / STATS_FILE} "
                "and filter again: what is whole is kept."
            )
        paths.append(str(path))
    return paths


def _fault(path: pathlib.Path, size: int) -> str:
    if not path.exists():
        return "is missing"
    whole, offset = record_files.scan(path)
    found = f"has {path.stat().st_size} bytes in place of {size}"
    if offset is None:
        return found
    return f"{found}, cut off in the record at byte {offset} ({whole} whole)"


def check_images(directory: pathlib.Path, images: dict[str, Any]) -> None:
    """Refuses pseudo labels of another choice of images than a run's.

    Args:
        directory: what `filter_and_balance` wrote.
        images: `TaskData.identity` of the run.

    Raises:
        ValueError: naming what differs.
    """
    theirs = PseudoLabelStats.load(directory).made_from["images"]
    stamps.check_same(
        theirs,
        images,
        f"The pseudo labels of {directory} are of other images: {{changes}}. "
        "Trained on both, a model could meet its test images.",
        ignored=_OF_UNLABELED,
    )


def check_number(directory: pathlib.Path, workers: int) -> None:
    """Refuses fewer records than workers.

    Raises:
        ValueError: saying how many there are.
    """
    records = PseudoLabelStats.load(directory).records
    if records < workers:
        raise ValueError(
            f"{workers} workers cannot share the {records} records of "
            f"{directory}; use fewer workers."
        )

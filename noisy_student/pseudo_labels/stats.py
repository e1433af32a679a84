"""What pseudo labels were made from and what was kept; checks of both."""

import dataclasses
import pathlib
from typing import Any

from noisy_student.config import PseudoLabelConfig
from noisy_student.data import record_files, sources
from noisy_student.files import stamps, writing
from noisy_student.pseudo_labels.layout import MADE_FROM_FILE, STATS_FILE

# An entry of the images' identity where filtered ones were labelled again.
REASSIGNED_FROM = "reassigned_from"
# Entries that do not decide which images are labelled and which test images.
_OF_UNLABELED = ("unlabel_split", "unlabel_image_dir", REASSIGNED_FROM)


@dataclasses.dataclass(frozen=True)
class Tally:
    """What was written of a share.

    Attributes:
        images: number of images.
        per_class: for each class, images kept, records written, kept images
            whose pseudo label is the true one, and kept images whose true
            label is unknown.
        seconds: time that it took.
        size: bytes of the records.
    """

    images: int
    per_class: list[list[int]]
    seconds: float
    size: int

    @classmethod
    def load(cls, path: pathlib.Path) -> "Tally":
        """Reads what filtering wrote."""
        return cls(**writing.read_json(path))


@dataclasses.dataclass(frozen=True)
class PseudoLabelStats:
    """What filtering and balancing kept.

    Attributes:
        kept: images kept, each counted once.
        records: records written, copies included.
        correct: kept images whose pseudo label is the true one; None where
            the true labels are unknown.
        undecodable: images that could not be decoded.
        seconds: time that prediction and filtering took.
        made_from: the images, the teacher and the settings.
        files: the bytes of each file of records, by name.
        predicted: images predicted as each class.
        above_threshold: of these, images at or above the threshold.
        kept_per_class: of these, images kept.
        records_per_class: their records.
        threshold: the least probability kept in each class, in [0, 1].
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
        """The fraction of kept images with the true label, in [0, 1]."""
        if self.correct is None or self.kept == 0:
            return None
        return self.correct / self.kept

    @classmethod
    def load(cls, directory: pathlib.Path) -> "PseudoLabelStats":
        """Reads what `filter_and_balance` left in a directory."""
        return cls(**writing.read_json(directory / STATS_FILE))


def check_output(
    output_dir: pathlib.Path,
    data: sources.TaskData,
    teacher: str,
    config: PseudoLabelConfig,
    seed: int,
) -> dict[str, Any]:
    """Refuses to filter into a directory with labels of other settings.

    Args:
        output_dir: the directory.
        data: the images.
        teacher: digest of the teacher.
        config: what to keep.
        seed: of the random copies.

    Returns:
        What the pseudo labels are made from: `images`, `teacher`, `seed` and
        the settings.

    Raises:
        InputError: naming what differs.
    """
    made_from = {"images": data.identity, "teacher": teacher, "seed": seed}
    made_from |= dataclasses.asdict(config)
    path = output_dir / MADE_FROM_FILE
    if path.exists():
        stamps.check_same(
            writing.read_json(path),
            made_from,
            f"{output_dir} holds pseudo labels of other settings: {{changes}}. "
            "Name another directory.",
            # The samples are only looked at, no records depend on them.
            ignored=("samples_per_class",),
        )
    return made_from


def record_paths(directory: pathlib.Path) -> list[str]:
    """Returns the files of pseudo-labelled records in a directory.

    Raises:
        ValueError: there are none, filtering did not finish, or a file is
            not as it was written.
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
                "and filter again: complete files are kept."
            )
        paths.append(str(path))
    return paths


def _fault(path: pathlib.Path, size: int) -> str:
    if not path.exists():
        return "is missing"
    complete, offset = record_files.scan(path)
    found = f"has {path.stat().st_size} bytes in place of {size}"
    if offset is None:
        return found
    return (
        f"{found}, cut off in the record at byte {offset} ({complete} complete)"
    )


def check_images(directory: pathlib.Path, images: dict[str, Any]) -> None:
    """Refuses pseudo labels of another choice of images than a run's.

    Args:
        directory: where `filter_and_balance` left them.
        images: `TaskData.identity` of the run.

    Raises:
        InputError: naming what differs.
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
    """Refuses a directory with fewer records than workers.

    Raises:
        ValueError: naming both numbers.
    """
    records = PseudoLabelStats.load(directory).records
    if records < workers:
        raise ValueError(
            f"{workers} workers cannot share the {records} records of "
            f"{directory}; use fewer workers."
        )

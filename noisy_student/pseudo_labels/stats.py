"""What pseudo labels were made from and what was kept; checks of both."""

import dataclasses
import hashlib
import pathlib
from typing import Any

from noisy_student.config import PseudoLabelConfig
from noisy_student.data import record_files, sources
from noisy_student.files import stamps, writing

STATS_FILE = "stats.json"
MADE_FROM_FILE = "made_from.json"
# An entry of the images' identity where filtered ones were labelled again.
_REASSIGNED_FROM = "reassigned_from"
# Entries that do not decide which images are labelled and which test images.
_OF_UNLABELED = ("unlabel_split", "unlabel_image_dir", _REASSIGNED_FROM)


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


def check_records(
    directory: pathlib.Path, images: dict[str, Any], workers: int = 0
) -> None:
    """Refuses pseudo labels that a run cannot be trained on.

    Args:
        directory: where `filter_and_balance` left them.
        images: `TaskData.identity` of the run.
        workers: number of workers that share the records.

    Raises:
        ValueError: there are fewer records than workers.
        InputError: the run's choice of images is another one; names what
            differs.
    """
    stats = PseudoLabelStats.load(directory)
    stamps.check_same(
        stats.made_from["images"],
        images,
        f"The pseudo labels of {directory} are of other images: {{changes}}. "
        "Trained on both, a model could meet its test images.",
        ignored=_OF_UNLABELED,
    )
    if stats.records < workers:
        raise ValueError(
            f"{workers} workers cannot share the {stats.records} records of "
            f"{directory}; use fewer workers."
        )


def reassigned_from(directory: pathlib.Path) -> dict[str, str]:
    """Tells filtered images from others, for the identity of these."""
    stats = (directory / STATS_FILE).read_bytes()
    place = str(directory.resolve()).encode()
    sha = hashlib.sha256(place + b"\0" + stats).hexdigest()
    return {_REASSIGNED_FROM: sha}

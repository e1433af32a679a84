"""What pseudo labels were made from and what was kept."""

import dataclasses
from typing import Any

from etils import epath

from noisy_student.config import PseudoLabelConfig
from noisy_student.data import sources
from noisy_student.files import stamps, writing
from noisy_student.files.run_directory import STATS_FILE

MADE_FROM_FILE = "made_from.json"


@dataclasses.dataclass(frozen=True)
class PseudoLabelStats:
    """What filtering and balancing kept.

    Attributes:
        kept: images kept, each counted once.
        records: records written, copies included.
        correct: kept images whose pseudo label is the true one; None where
            true labels are unknown. An image that is known to be of none of
            the classes is kept with a wrong one.
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
    def load(cls, directory: epath.Path) -> "PseudoLabelStats":
        """Reads what `filter_and_balance` left in a directory."""
        return cls(**writing.read_json(directory / STATS_FILE))


def check_output(
    output_dir: epath.Path,
    data: sources.TaskData,
    teacher: str | None,
    config: PseudoLabelConfig,
    seed: int,
) -> dict[str, Any]:
    """Refuses to filter into a directory with labels of other settings.

    Args:
        output_dir: the directory.
        data: the images.
        teacher: digest of the teacher; None for one of the original program.
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

"""SVHN as the original program divides it, in TFRecords.

The training images less 4,000 of them, which validate; the test images; and
the `extra` ones, which serve as unlabelled, in a directory of their own.
"""

import pathlib
from collections.abc import Callable

import numpy as np

from noisy_student.config.checks import require
from noisy_student.config.tools import SvhnSettings
from noisy_student.data import make_records, record_parts

TASK_NAME = "svhn_cropped"
UNLABELED_DIR = "unlabeled"
NUM_SHARDS = {"train": 128, "validation": 64, "test": 64, "extra": 128}


def plan_svhn(settings: SvhnSettings) -> Callable[[], None]:
    """Checks the settings and returns the work.

    Raises:
        ValueError: the data are missing, or a directory holds something else.
    """
    from noisy_student.data import tfds_source  # slow to import

    builder = tfds_source.open_builder(TASK_NAME, settings.tfds_data_dir)
    names = tuple(builder.info.features["label"].names)
    output_dir = pathlib.Path(settings.output_dir)
    works = [
        make_records.plan_parts(
            directory, parts, NUM_SHARDS, names, settings.num_workers
        )
        for directory, parts in (
            (output_dir, _labeled_parts(settings)),
            (output_dir / UNLABELED_DIR, [_part(settings, "extra")]),
        )
    ]

    def work() -> None:
        for each in works:
            each()

    return work


def _labeled_parts(settings: SvhnSettings) -> list[record_parts.Part]:
    """Training, validation and test images."""
    train, test = _part(settings, "train"), _part(settings, "test")
    if settings.full_train_data:
        return [train, _part(settings, "test", "validation"), test]
    size = len(train.numbers)
    require(
        settings.num_validation < size,
        "num_validation",
        f"below the {size} training images",
        settings.num_validation,
    )
    order = np.random.default_rng(settings.seed).permutation(size)
    chosen = np.sort(order[: settings.num_validation])
    others = np.sort(order[settings.num_validation :])
    return [
        _part(settings, "train", "train", others),
        _part(settings, "train", "validation", chosen),
        test,
    ]


def _part(
    settings: SvhnSettings,
    split: str,
    prefix: str | None = None,
    numbers: np.ndarray | None = None,
) -> record_parts.Part:
    return record_parts.named_part(
        TASK_NAME, settings.tfds_data_dir, split, prefix, numbers
    )

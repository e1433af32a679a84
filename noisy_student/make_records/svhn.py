"""SVHN as the original program divides it, in TFRecords.

The training images less 4,000 of them, which validate; the test images; and
the `extra` ones, which serve as unlabelled, in a directory of their own.
"""

import pathlib

import numpy as np

from noisy_student.config.checks import require
from noisy_student.config.tools import SvhnSettings
from noisy_student.make_records.images import named_split
from noisy_student.make_records.shards import RecordSet

TASK_NAME = "svhn_cropped"
UNLABELED_DIR = "unlabeled"
NUM_SHARDS = {"train": 128, "validation": 64, "test": 64, "extra": 128}


class PrepareSvhn:
    """Makes the record files of SVHN."""

    def __init__(self, settings: SvhnSettings) -> None:
        self._settings = settings
        self._record_sets: list[RecordSet] = []

    def validate(self) -> None:
        """Checks the settings and chooses the images; writes nothing.

        Raises:
            ValueError: The data are missing, or a directory holds something
                else.
        """
        from noisy_student.data import tfds  # slow to import

        settings = self._settings
        svhn = tfds.NamedImages(TASK_NAME, settings.tfds_data_dir)
        size = sum(svhn.shard_sizes("train"))
        held_out = 0 if settings.full_train_data else settings.num_validation
        require(
            held_out < size,
            "num_validation",
            f"below the {size} training images",
            held_out,
        )
        order = np.random.default_rng(settings.seed).permutation(size)
        train = named_split(svhn, "train", np.sort(order[held_out:]))
        validation = (
            named_split(svhn, "validation=train", np.sort(order[:held_out]))
            if held_out
            else named_split(svhn, "validation=test")
        )
        test, extra = named_split(svhn, "test"), named_split(svhn, "extra")
        directory = pathlib.Path(settings.output_dir)
        self._record_sets = [
            RecordSet(
                path, made, NUM_SHARDS, svhn.class_names, settings.num_workers
            )
            for path, made in (
                (directory, [train, validation, test]),
                (directory / UNLABELED_DIR, [extra]),
            )
        ]

    def run(self) -> None:
        """Makes the files that are missing.

        Raises:
            InputError: A file cannot be written.
        """
        for record_set in self._record_sets:
            record_set.make()

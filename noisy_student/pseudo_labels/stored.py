"""Pseudo-labelled records that are there: finding, checking, opening them.

A directory of them is what filtering left (with `stats.json`), the `data/` of
such a one, or records that the original program wrote, with nothing beside
them. With a teacher in the training step any records of images do.
"""

import re
from typing import Any

from etils import epath

from noisy_student.config.paths import to_path
from noisy_student.data import (
    pseudo_labeled,
    record_files,
    records,
    sources,
    tfrecords,
)
from noisy_student.errors import InputError
from noisy_student.files import remote, stamps
from noisy_student.pseudo_labels.layout import DATA_DIR
from noisy_student.pseudo_labels.stats import (
    MADE_FROM_FILE,
    STATS_FILE,
    PseudoLabelStats,
)

# An entry of the images' identity where filtered ones were labelled again.
REASSIGNED_FROM = "reassigned_from"
# Entries that do not decide which images are labelled and which test images.
_OF_UNLABELED = ("unlabel_split", "unlabel_image_dir", REASSIGNED_FROM)
# The original's filtered records, by task, lack the shards that kept nothing.
_BY_TASK = r"train-(-?\d+)"


def stats_of(directory: epath.Path) -> PseudoLabelStats | None:
    """Returns what filtering says of its records; None if it was not ours."""
    home = _home(directory)
    return None if home is None else PseudoLabelStats.load(home)


def record_paths(directory: epath.Path) -> list[str]:
    """Returns the files of records in a directory to train on.

    Raises:
        ValueError: there are none, filtering did not finish, or a file is
            not as it was written.
    """
    home = _home(directory)
    if home is not None and (home / STATS_FILE).exists():
        return _as_written(home)
    found = {}
    if home is None and directory.is_dir():
        found = record_files.find(directory, partial=_BY_TASK)
    paths = [
        str(path)
        for prefix, files in found.items()
        if re.fullmatch(f"train|extra|{_BY_TASK}", prefix)
        for path in files
    ]
    if not paths:
        hint = record_files.places_of(directory, "train")
        raise ValueError(
            f"{directory} does not hold pseudo-labelled records (data/train-* "
            f"and {STATS_FILE}), or filtering them did not finish; "
            f"tools/filter_unlabel.py writes them{'' if home else hint}."
        )
    return paths


def open_records(
    directory: epath.Path, num_classes: int, need_labels: bool
) -> sources.ImageSource:
    """Opens the records of a directory.

    Args:
        directory: see `record_paths`.
        num_classes: number of classes.
        need_labels: whether they must have pseudo labels, because no teacher
            is in the step.

    Returns:
        A `PseudoLabeledSource`; without pseudo labels, another source.

    Raises:
        ValueError: see `record_paths`; or there are no labels.
        InputError: the labels are of another number of classes, or a file is
            damaged.
    """
    paths = record_paths(directory)
    stats = stats_of(directory)
    unlabeled = [path for path in paths if not _is_labeled(path, num_classes)]
    if unlabeled and need_labels:
        raise ValueError(
            f"{unlabeled[0]} has no pseudo labels: its probabilities are "
            "missing or all zero. Set teacher_model_path, and a teacher labels "
            "these images in the step; or set unlabel_data_dir to the "
            "output_dir of tools/filter_unlabel.py."
        )
    if unlabeled:
        return tfrecords.from_files(paths, str(directory))
    count = sum(map(_count_whole, paths)) if stats is None else stats.records
    return pseudo_labeled.PseudoLabeledSource.from_files(
        paths, count, num_classes
    )


def check_records(
    directory: epath.Path, images: dict[str, Any], workers: int = 0
) -> None:
    """Refuses records that a run cannot be trained on.

    Args:
        directory: see `record_paths`.
        images: `TaskData.identity` of the run.
        workers: number of workers that share the records.

    Raises:
        ValueError: there are fewer records than workers.
        InputError: the run's choice of images is another one than when the
            records were filtered, where that is known; names what differs.
    """
    paths, stats = record_paths(directory), stats_of(directory)
    theirs = stats.made_from["images"] if stats else {}
    # Records that stood alone were filtered without a word of such images.
    if "task_name" in theirs:
        stamps.check_same(
            theirs,
            images,
            f"The pseudo labels of {directory} are of other images: "
            "{changes}. Trained on both, a model could meet its test images.",
            ignored=_OF_UNLABELED,
        )
    if workers < 2:
        return
    files = [to_path(path) for path in paths]
    count = stats.records if stats else sum(record_files.count(files))
    if count < workers:
        raise ValueError(
            f"{workers} workers cannot share the {count} records of "
            f"{directory}; use fewer workers."
        )


def _home(directory: epath.Path) -> epath.Path | None:
    """Returns where our filtering notes what it did; None if it was not it."""
    homes = [directory]
    if directory.name == DATA_DIR:
        homes.append(directory.parent)
    for home in homes:
        if any((home / name).exists() for name in (STATS_FILE, MADE_FROM_FILE)):
            return home
    return None


def _as_written(home: epath.Path) -> list[str]:
    """Returns the files that `stats.json` lists."""
    data = home / DATA_DIR
    paths = []
    for name, size in PseudoLabelStats.load(home).files.items():
        # Labelled again in the original's layout, they are not in `data`.
        path = (data if data.is_dir() else home) / name
        if not path.exists() or remote.size(path) != size:
            raise ValueError(
                f"{path} {_fault(path, size)}. Remove {home / STATS_FILE} "
                "and filter again: complete files are kept."
            )
        paths.append(str(path))
    return paths


def _fault(path: epath.Path, size: int) -> str:
    if not path.exists():
        return "is missing"
    complete, offset = record_files.scan(path)
    found = f"has {remote.size(path)} bytes in place of {size}"
    if offset is None:
        return found
    return (
        f"{found}, cut off in the record at byte {offset} ({complete} complete)"
    )


def _is_labeled(path: str, num_classes: int) -> bool:
    """Returns whether a file's first record has a pseudo label.

    Raises:
        InputError: it is one of another number of classes.
    """
    probabilities = records.first_probabilities(to_path(path))
    if probabilities is None:
        return True  # no record lacks one
    if not probabilities.any():
        return False
    if len(probabilities) != num_classes:
        raise InputError(
            f"{path} has probabilities of {len(probabilities)} classes, and "
            f"the task has {num_classes}; filter predictions of this task."
        )
    return True


def _count_whole(path: str) -> int:
    """Returns the number of a file's records.

    Raises:
        InputError: the last one is cut off.
    """
    number, offset = record_files.scan(to_path(path))
    if offset is not None:
        raise InputError(
            f"{path} is cut off in the record at byte {offset}; filter again."
        )
    return number

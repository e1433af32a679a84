"""Opens a task whose images lie in directories: folders or TFRecords.

`folder_source.py` and `record_source.py` know what is in them; this module
chooses splits and classes.
"""

import dataclasses
import pathlib

import numpy as np

from noisy_student import tasks
from noisy_student.config import DataConfig
from noisy_student.data import record_files, sources, splits
from noisy_student.data.folder_source import (
    UNLABELED_SPLITS,
    ImageFolders,
    check_strays,
)
from noisy_student.data.image_set import (
    Classes,
    DirectorySource,
    ImageSet,
    Span,
)
from noisy_student.data.record_source import RecordDirectories

_SAMPLE = 100  # images whose size is looked at


def open_task(config: DataConfig, seed: int) -> sources.TaskData:
    """Opens the images of `label_data_dir`; see `sources.open_task`."""
    assert config.label_data_dir is not None  # the caller looked
    image_set = open_directories(config.label_data_dir, "label_data_dir")
    label = config.label_split or "train"
    names = image_set.class_names(split_names(label, image_set))
    label_spans = splits.resolve(label, image_set, "label_split")
    classes = Classes(_num_classes(config, image_set, names), names)
    test = config.test_split or _default_test_split(image_set)
    if isinstance(image_set, ImageFolders):
        check_strays(image_set, split_names(test, image_set), classes)
    test_spans = splits.resolve(test, image_set, "test_split")

    labeled = _source(image_set, label_spans, classes, label)
    task = _task(config, classes, labeled)
    rest: sources.ImageSource | None = None
    chosen: sources.ImageSource = labeled
    if config.num_labeled is not None:
        chosen, rest = sources.split_labeled(
            labeled, labeled.labels(), config.num_labeled, classes.number, seed
        )
    return sources.TaskData(
        task,
        chosen,
        _unlabeled(config, image_set, classes) or rest,
        _source(image_set, test_spans, classes, test),
        sources.make_identity(config, config.num_labeled, seed),
        classes.names,
    )


def open_unlabeled(config: DataConfig) -> sources.ImageSource:
    """Opens the images of `unlabel_image_dir`.

    Raises:
        ValueError: there are none, or it is not plain which.
    """
    assert config.unlabel_image_dir is not None  # the caller looked
    image_set = open_directories(config.unlabel_image_dir, "unlabel_image_dir")
    split = config.unlabel_split or image_set.unlabeled_split()
    if split is None:
        raise ValueError(
            f"unlabel_split must be set, because {image_set.name} has the "
            f"splits {', '.join(image_set.split_names())}."
        )
    spans = splits.resolve(split, image_set, "unlabel_split")
    return _source(image_set, spans, None, split, labeled=False)


def open_directories(joined: str, flag: str) -> ImageSet:
    """Finds out what some directories hold.

    Args:
        joined: the directories, joined with `;`.
        flag: that named them, for messages.

    Raises:
        ValueError: one is missing or has no name, or they are of neither kind
            or of both.
    """
    parts = joined.split(";")
    if not all(part.strip() for part in parts):  # would mean the current one
        raise ValueError(
            f"{flag}={joined!r} must name a directory before and after each "
            "`;`, and an empty name is none."
        )
    paths = [pathlib.Path(part) for part in parts]
    for path in paths:
        if not path.is_dir():
            raise ValueError(f"{flag}: there is no directory {path}.")
    of_records = [bool(record_files.find(path)) for path in paths]
    if all(of_records):
        return RecordDirectories(paths)
    if any(of_records):
        raise ValueError(
            f"{flag}={joined} must name directories of one kind, and only "
            f"{paths[of_records.index(True)]} holds TFRecords; make the others "
            "TFRecords by tools/make_records.py."
        )
    image_set = ImageFolders(paths)
    if flag == "label_data_dir" and not image_set.split_names():
        raise ValueError(
            f"{flag}={joined} must hold folders train/CLASS/*.jpg and "
            "test/CLASS/*.jpg, or TFRecords train-00000-of-00128 and so on; "
            "it has neither."
        )
    return image_set


def split_names(expression: str, image_set: ImageSet) -> list[str]:
    """The splits that an expression names."""
    names = [part.split("[")[0].strip() for part in expression.split("+")]
    return [name for name in image_set.split_names() if name in names]


def _default_test_split(image_set: ImageSet) -> str:
    names = image_set.split_names()
    for name in ("test", "validation"):
        if name in names:
            return name
    raise ValueError(
        f"{image_set.name} must have the split test or validation, or set "
        f"test_split; it has {', '.join(names)}."
    )


def _num_classes(
    config: DataConfig, image_set: ImageSet, names: tuple[str, ...] | None
) -> int:
    """As the directories say, or the flag, or a known task."""
    told, known = config.num_label_classes, tasks.KNOWN.get(config.task_name)
    if names is not None:
        if told not in (None, len(names)):
            raise ValueError(
                f"num_label_classes must be left out or {len(names)}, the "
                f"classes of {image_set.name}; got {told}."
            )
        told = len(names)
    count = known.num_classes if told is None and known else told
    if count is None:
        raise ValueError(
            f"num_label_classes must be set: {image_set.name} has no "
            f"classes.txt, and the task {config.task_name} is not known."
        )
    if count < 2:
        only = f", {names[0]}" if names else ""
        raise ValueError(
            f"There must be 2 classes or more; {image_set.name} has {count}"
            f"{only}."
        )
    return count


def _task(
    config: DataConfig, classes: Classes, labeled: DirectorySource
) -> tasks.Task:
    known = tasks.KNOWN.get(config.task_name)
    if known is not None:
        return dataclasses.replace(known, num_classes=classes.number)
    return tasks.generic_task(
        config.task_name, classes.number, _common_side(labeled)
    )


def _common_side(source: DirectorySource) -> int | None:
    """The side of a sample of the images, if all are squares of one size."""
    numbers = np.linspace(0, source.num_images - 1, _SAMPLE, dtype=int)
    sizes = {size for size in source.sizes(np.unique(numbers)) if size}
    if len(sizes) != 1:
        return None
    width, height = sizes.pop()
    return width if width == height else None


def _unlabeled(
    config: DataConfig, image_set: ImageSet, classes: Classes
) -> sources.ImageSource | None:
    """The unlabelled images; None where there are only `num_labeled`'s."""
    if config.unlabel_image_dir is not None:
        return open_unlabeled(config)
    names = image_set.split_names()
    default = next((name for name in UNLABELED_SPLITS if name in names), None)
    split = config.unlabel_split or default
    if split is None:
        return None
    spans = splits.resolve(split, image_set, "unlabel_split")
    return _source(image_set, spans, classes, split, labeled=False)


def _source(
    image_set: ImageSet,
    spans: list[Span],
    classes: Classes | None,
    split: str,
    labeled: bool = True,
) -> DirectorySource:
    name = f"{image_set.name} {split}"
    return image_set.source(spans, classes, name, labeled)

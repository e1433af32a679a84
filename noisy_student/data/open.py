"""Opens the images of a task; decides which source they come from.

Images come from directories (of folders or of TFRecords), from scikit-learn
(the digits) or from tensorflow-datasets.
"""

import dataclasses
import pathlib

import numpy as np

from noisy_student import tasks
from noisy_student.config import DataConfig
from noisy_student.data import record_files, splits
from noisy_student.data.folders import (
    UNLABELED_SPLITS,
    FileSource,
    ImageFolders,
)
from noisy_student.data.sources import ImageSet, ImageSource, TaskData
from noisy_student.data.tfrecords import RecordDirectories, RecordSource

_SAMPLE = 100  # images whose size is looked at
# Settings that decide which images a task has, see `TaskData.identity`.
_IDENTITY = (
    "task_name",
    "label_data_dir",
    "unlabel_image_dir",
    "label_split",
    "unlabel_split",
    "test_split",
)


def open_task(config: DataConfig, seed: int) -> TaskData:
    """Opens the images of a task.

    Args:
        config: The task, its splits and `num_labeled`.
        seed: The seed that chooses which images keep their labels, and which
            digits are test images.

    Raises:
        ValueError: The task is unknown, its data are missing, or
            `num_labeled` does not fit it.
    """
    if config.label_data_dir is not None:
        data = _open_directories(config)
    elif config.num_label_classes is not None:
        raise ValueError(
            f"num_label_classes={config.num_label_classes} is for images of "
            f"label_data_dir; the task {config.task_name} knows its classes."
        )
    elif config.task_name == "digits":
        data = _open_digits(config, seed)
    else:
        data = _open_named(config)
    task, labeled, unlabeled = data.task, data.labeled, data.unlabeled
    num_labeled = config.num_labeled or task.num_labeled
    if num_labeled is not None:
        labels = labeled.labels()
        labeled, rest = splits.split_labeled(
            labeled, labels, num_labeled, task.num_classes, seed
        )
        unlabeled = unlabeled or rest
    if config.unlabel_image_dir is not None:
        unlabeled = _open_unlabeled_dir(config)
    identity = {name: getattr(config, name) for name in _IDENTITY}
    identity["num_labeled"] = num_labeled
    # The seed counts if it chose images.
    identity["seed"] = None if num_labeled is None else seed
    return dataclasses.replace(
        data, labeled=labeled, unlabeled=unlabeled, identity=identity
    )


def _open_digits(config: DataConfig, seed: int) -> TaskData:
    from noisy_student.data import digits  # slow to import

    names = ["label_split", "test_split", "validation_split"]
    if config.unlabel_image_dir is None:
        names.append("unlabel_split")
    for name in names:
        if getattr(config, name) is not None:
            raise ValueError(
                f"{name} is for tensorflow-datasets; the task digits is "
                "split by --num_labeled and --seed."
            )
    train, test = digits.load(seed)
    return TaskData(tasks.KNOWN["digits"], train, None, test, {})


def _open_named(config: DataConfig) -> TaskData:
    """Opens a data set of tensorflow-datasets."""
    from noisy_student.data import tfds  # slow to import

    images = tfds.NamedImages(config.task_name, config.tfds_data_dir)
    task = images.task()
    label = config.label_split or task.label_split
    test = config.test_split or task.test_split
    return TaskData(
        task,
        splits.open_split(images, label, "label_split"),
        _open_unlabeled_split(config, images, task.unlabel_split),
        splits.open_split(images, test, "test_split"),
        {},
        images.class_names,
    )


def _open_directories(config: DataConfig) -> TaskData:
    """Opens the images of `label_data_dir`."""
    assert config.label_data_dir is not None  # the caller looked
    images = find_kind(config.label_data_dir, "label_data_dir")
    label = config.label_split or "train"
    if isinstance(images, ImageFolders):
        images.read_classes(splits.split_names(label, images))
    label_spans = splits.resolve(label, images, "label_split")
    names = images.class_names
    num_classes = count_classes(config, images, names)
    test = config.test_split or default_test_split(images)
    if isinstance(images, ImageFolders):
        images.check_classes(splits.split_names(test, images))
    test_images = splits.open_split(images, test, "test_split", num_classes)
    name = f"{images.name} {label}"
    labeled = images.source(label_spans, name, num_classes)
    return TaskData(
        _task(config, num_classes, labeled),
        labeled,
        _open_unlabeled_split(config, images, unlabeled_split(images)),
        test_images,
        {},
        names,
    )


def _open_unlabeled_split(
    config: DataConfig, images: ImageSet, default: str | None
) -> ImageSource | None:
    """Opens the unlabelled split beside the labelled one, if there is one."""
    split = config.unlabel_split or default
    if split is None or config.unlabel_image_dir is not None:
        return None
    return splits.open_split(images, split, "unlabel_split")


def _open_unlabeled_dir(config: DataConfig) -> ImageSource:
    """Opens the images of `unlabel_image_dir`."""
    assert config.unlabel_image_dir is not None  # the caller looked
    images = find_kind(config.unlabel_image_dir, "unlabel_image_dir")
    names = images.split_names()
    split = config.unlabel_split
    if split is None and isinstance(images, ImageFolders):
        split = unlabeled_split(images) or splits.WHOLE
    elif split is None and len(names) == 1:
        split = names[0]
    if split is None:
        raise ValueError(
            f"unlabel_split must be set, because {images.name} has the "
            f"splits {', '.join(names)}."
        )
    return splits.open_split(images, split, "unlabel_split")


def find_kind(joined: str, flag: str) -> ImageFolders | RecordDirectories:
    """Finds out what directories, joined with `;`, hold.

    Raises:
        ValueError: one is missing, they differ, or they hold no images.
    """
    paths = [pathlib.Path(name) for name in joined.split(";")]
    for path in paths:
        if not path.is_dir():
            raise ValueError(f"{flag}: there is no directory {path}.")
    with_records = [path for path in paths if record_files.find(path)]
    if len(with_records) == len(paths):
        return RecordDirectories(paths)
    if with_records:
        raise ValueError(
            f"{flag}={joined} must name directories of one kind, and only "
            f"{with_records[0]} holds TFRecords; make the others TFRecords by "
            "tools/make_records.py."
        )
    images = ImageFolders(paths)
    if flag == "label_data_dir" and not images.split_names():
        raise ValueError(
            f"{flag}={joined} must hold folders train/CLASS/*.jpg and "
            "test/CLASS/*.jpg, or TFRecords train-00000-of-00128 and so on; "
            "it has neither."
        )
    return images


def default_test_split(images: ImageSet) -> str:
    """Returns the split of a directory to evaluate on, if no flag says it.

    Raises:
        ValueError: none has the name of one.
    """
    names = images.split_names()
    for name in ("test", "validation", "dev"):
        if name in names:
            return name
    raise ValueError(
        f"{images.name} must have the split test, validation or dev, or set "
        f"test_split; it has {', '.join(names)}."
    )


def unlabeled_split(images: ImageSet) -> str | None:
    """Returns the split of a directory that is unlabelled by its name."""
    names = images.split_names()
    return next((name for name in UNLABELED_SPLITS if name in names), None)


def count_classes(
    config: DataConfig, images: ImageSet, names: tuple[str, ...] | None
) -> int:
    """Returns what the directories, the flag or a known task say.

    Raises:
        ValueError: they say nothing, or different things.
    """
    stated, known = config.num_label_classes, tasks.KNOWN.get(config.task_name)
    if names is not None:
        if stated not in (None, len(names)):
            raise ValueError(
                f"num_label_classes must be left out or {len(names)}, the "
                f"classes of {images.name}; got {stated}."
            )
        stated = len(names)
    count = known.num_classes if stated is None and known else stated
    if count is None:
        raise ValueError(
            f"num_label_classes must be set: {images.name} has no "
            f"classes.txt, and the task {config.task_name} is not known."
        )
    if count < 2:
        only = f", {names[0]}" if names else ""
        raise ValueError(
            f"There must be 2 classes or more; {images.name} has {count}{only}."
        )
    return count


def _task(
    config: DataConfig, num_classes: int, labeled: FileSource | RecordSource
) -> tasks.Task:
    """Returns the known task, or one for the size of the images."""
    known = tasks.KNOWN.get(config.task_name)
    if known is not None:
        # Directories have all their labels unless told otherwise.
        return dataclasses.replace(
            known, num_classes=num_classes, num_labeled=None
        )
    places = np.linspace(0, labeled.num_images - 1, _SAMPLE, dtype=int)
    sizes = {size for size in labeled.sizes(np.unique(places)) if size}
    # They are small images if all that are looked at are squares of one size.
    width, height = sizes.pop() if len(sizes) == 1 else (0, 1)
    side = width if width == height else None
    return tasks.generic_task(config.task_name, num_classes, side)

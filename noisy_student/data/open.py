"""Opens the images of a task; decides which source they come from.

Images come from directories (of folders or of TFRecords), from scikit-learn
(the digits), from tensorflow-datasets or from this process (`registered.py`).
"""

import dataclasses

import numpy as np

from noisy_student import tasks
from noisy_student.config import DataConfig
from noisy_student.data import (
    decoding,
    image_sets,
    limits,
    registered,
    splits,
)
from noisy_student.data.folders import FileSource, ImageFolders
from noisy_student.data.sources import ImageSet, ImageSource, TaskData
from noisy_student.data.tfrecords import RecordSource

_SAMPLE = 100  # images whose size is looked at
# Settings that decide which images a task has, see `TaskData.identity`.
_IDENTITY = (
    "task_name",
    "label_data_dir",
    "unlabel_image_dir",
    "label_split",
    "unlabel_split",
    "test_split",
    "num_train_images",
    "num_train_shards",
)


def open_task(config: DataConfig, seed: int) -> TaskData:
    """Opens the images of a task.

    Args:
        config: The task, its splits and `num_labeled`.
        seed: The seed that chooses which images keep their labels, and which
            digits are test images.

    Raises:
        ValueError: The task is unknown, its data are missing, or a number of
            images does not fit it.
    """
    given = registered.find(config.task_name)
    if given is not None:
        data = given
    elif config.label_data_dir is not None:
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
    task, unlabeled = data.task, data.unlabeled
    labeled = limits.first_images(
        data.labeled, config.num_train_images, "num_train_images"
    )
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
    names += ["num_eval_images", "num_train_shards"]
    if config.unlabel_image_dir is None:
        names.append("unlabel_split")
    for name in names:
        if getattr(config, name) is not None:
            raise ValueError(
                f"{name} does not go with task_name=digits, whose images are "
                "divided by num_labeled and seed; leave it out."
            )
    train, test = digits.load(seed)
    test = limits.first_images(test, config.num_test_images, "num_test_images")
    return TaskData(tasks.KNOWN["digits"], train, None, test, {})


def _open_named(config: DataConfig) -> TaskData:
    """Opens a data set of tensorflow-datasets."""
    images, label, test, unlabeled = image_sets.named(config)
    limits.keep_first_files(config, images, label)
    test_images = splits.open_split(images, test, "test_split")
    return TaskData(
        images.task(),
        splits.open_split(images, label, "label_split"),
        _open_unlabeled_split(config, images, unlabeled),
        limits.first_test_images(config, images, test, test_images),
        {},
        images.class_names,
    )


def _open_directories(config: DataConfig) -> TaskData:
    """Opens the images of `label_data_dir`."""
    images, label, test, unlabeled = image_sets.in_directories(config)
    if config.data_type and isinstance(images, ImageFolders):
        raise ValueError(
            f"data_type={config.data_type}, and {images.name} holds folders of "
            "images; leave out data_type, or name another label_data_dir."
        )
    limits.keep_first_files(config, images, label)
    label_spans = splits.resolve(label, images, "label_split")
    names = images.class_names
    num_classes = count_classes(config, images, names)
    if isinstance(images, ImageFolders):
        images.check_classes(splits.split_names(test, images))
    test_images = splits.open_split(images, test, "test_split", num_classes)
    name = f"{images.name} {label}"
    labeled = images.source(label_spans, name, num_classes)
    if isinstance(labeled, RecordSource):
        _check_first_labels(labeled)
    return TaskData(
        make_task(config, num_classes, labeled),
        labeled,
        _open_unlabeled_split(config, images, unlabeled),
        limits.first_test_images(config, images, test, test_images),
        {},
        names,
    )


def _check_first_labels(labeled: RecordSource) -> None:
    """Reads a record of each of some files, to see a wrong number of classes.

    Raises:
        InputError: A label is none of the classes, or a file is damaged.
    """
    first = tuple(f._replace(number=1) for f in labeled.files if f.number)
    some = RecordSource.from_spans(
        first[:_SAMPLE], labeled.num_classes, labeled.name
    )
    with decoding.input_errors(some.record_paths):
        list(some.read_batches(_SAMPLE))


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
    images = image_sets.find_kind(config.unlabel_image_dir, "unlabel_image_dir")
    names = images.split_names()
    split = config.unlabel_split
    if split is None and isinstance(images, ImageFolders):
        split = image_sets.unlabeled_split(images) or splits.WHOLE
    elif split is None and len(names) == 1:
        split = names[0]
    if split is None:
        raise ValueError(
            f"unlabel_split must be set, because {images.name} has the "
            f"splits {', '.join(names)}."
        )
    return splits.open_split(images, split, "unlabel_split")


def count_classes(
    config: DataConfig, images: ImageSet, names: tuple[str, ...] | None
) -> int:
    """Returns the number of classes of the images in directories.

    Args:
        config: Its flag or its known task may say it.
        images: The images, for messages.
        names: The names of the classes; None if unknown.

    Raises:
        ValueError: These disagree, none of them says it, or it is below 2.
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


def make_task(
    config: DataConfig, num_classes: int, images: FileSource | RecordSource
) -> tasks.Task:
    """Returns the known task, or one for the size of the images."""
    known = tasks.KNOWN.get(config.task_name)
    if known is not None:
        # Directories have all their labels unless told otherwise.
        return dataclasses.replace(
            known, num_classes=num_classes, num_labeled=None
        )
    places = np.linspace(0, images.num_images - 1, _SAMPLE, dtype=int)
    sizes = {size for size in images.sizes(np.unique(places)) if size}
    # They are small images if all that are looked at are squares of one size.
    width, height = sizes.pop() if len(sizes) == 1 else (0, 1)
    side = width if width == height else None
    return tasks.generic_task(config.task_name, num_classes, side)

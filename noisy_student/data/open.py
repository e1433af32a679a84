"""Opens the images of a task; decides which source they come from.

Images come from directories (of folders or of TFRecords), from scikit-learn
(the digits), from tensorflow-datasets or from this process (`registered.py`).
"""

import dataclasses

from noisy_student import tasks
from noisy_student.config import DataConfig
from noisy_student.config.paths import to_path
from noisy_student.data import (
    directories,
    held_out,
    image_sets,
    limits,
    overlaps,
    registered,
    splits,
    truth,
)
from noisy_student.data.folders import ImageFolders
from noisy_student.data.sources import ImageSource, TaskData
from noisy_student.data.tfrecords import RecordSource
from noisy_student.files import stamps

# Settings that decide which images a task has, see `TaskData.identity`.
_IDENTITY = (
    "task_name",
    "label_data_dir",
    "labels_csv",
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
        data = directories.open_directories(config)
    elif config.num_label_classes is not None:
        raise ValueError(
            f"num_label_classes={config.num_label_classes} is for images of "
            f"label_data_dir; the task {config.task_name} knows its classes."
        )
    elif config.task_name == "digits":
        data = _open_digits(config, seed)
    else:
        data = _open_named(config)
    if config.unlabel_image_dir is not None:
        data = dataclasses.replace(data, unlabeled=_open_unlabeled_dir(config))
    data = truth.with_truth(data, config.unlabel_truth)
    task, unlabeled = data.task, data.unlabeled
    labeled = limits.first_images(
        data.labeled, config.num_train_images, "num_train_images"
    )
    num_labeled = config.num_labeled or task.num_labeled
    if num_labeled is not None:
        labels = labeled.labels()
        labeled, rest = held_out.keep_labels(
            labeled, labels, num_labeled, task.num_classes, seed
        )
        unlabeled = unlabeled or rest
    labeled = overlaps.without_test_images(labeled, data.test, "labelled")
    if unlabeled is not None:
        unlabeled = overlaps.without_test_images(
            unlabeled, data.test, "unlabelled"
        )
    data = dataclasses.replace(data, labeled=labeled, unlabeled=unlabeled)
    fraction = _validation_fraction(config, data, given is not None)
    if fraction:
        data = _hold_out(data, fraction, seed)
    identity = {name: getattr(config, name) for name in _IDENTITY}
    if config.labels_csv is not None:  # a person may correct it
        identity["labels_csv"] = stamps.digest([to_path(config.labels_csv)])
    identity["num_labeled"] = num_labeled
    identity["validation_fraction"] = fraction if data.held_out else None
    # The seed counts if it chose images.
    by_seed = num_labeled is not None or data.held_out is not None
    identity["seed"] = seed if by_seed else None
    return dataclasses.replace(data, identity=data.identity | identity)


def _validation_fraction(
    config: DataConfig, data: TaskData, is_given: bool
) -> float:
    """The share of the labelled images that is held out to validate."""
    if config.validation_fraction is not None:
        return config.validation_fraction
    in_records = isinstance(data.labeled, RecordSource)
    if is_given or in_records or data.has_validation_split:
        return 0.0
    return data.task.validation_fraction


def _hold_out(data: TaskData, fraction: float, seed: int) -> TaskData:
    """Holds out labelled images to validate, unless they would be too few."""
    images, number = data.labeled, data.task.num_classes
    if not held_out.is_enough(images, fraction, number):
        note = (
            f"No labelled images are held out to validate: {fraction:g} of "
            f"{images.num_images} is less than {held_out.LEAST_TO_VALIDATE} "
            "per class. The averaged last weights of each training are kept."
        )
        return dataclasses.replace(data, notes=(*data.notes, note))
    names = data.class_names or [*map(str, range(number))]
    divided = held_out.for_validation(images, fraction, names, seed)
    return dataclasses.replace(
        data,
        labeled=divided.trained,
        held_out=divided.held_out,
        notes=(*data.notes, divided.note),
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
    found = image_sets.named(config)
    images, label, test = found.images, found.label, found.test
    assert test is not None  # the task has one
    limits.keep_first_files(config, images, label)
    test_images = splits.open_split(images, test, "test_split")
    return TaskData(
        images.task(),
        splits.open_split(images, label, "label_split"),
        found.open_unlabeled(config),
        limits.first_test_images(config, images, test, test_images),
        {},
        images.class_names,
        found.validation(config) is not None,
    )


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

"""Opens the images of `label_data_dir`: folders of images, or TFRecords."""

import dataclasses

import numpy as np

from noisy_student import tasks
from noisy_student.config import DataConfig
from noisy_student.data import (
    decoding,
    held_out,
    image_sets,
    limits,
    splits,
)
from noisy_student.data.folders import FileSource, ImageFolders
from noisy_student.data.sources import ImageSet, TaskData
from noisy_student.data.tfrecords import RecordSource

_SAMPLE = 100  # images whose size is looked at


def open_directories(config: DataConfig) -> TaskData:
    """Opens the images.

    Raises:
        ValueError: A split is missing or its classes are others, or their
            number is unknown.
    """
    found = image_sets.in_directories(config)
    images, label = found.images, found.label
    if config.data_type and isinstance(images, ImageFolders):
        raise ValueError(
            f"data_type={config.data_type}, and {images.name} holds folders of "
            "images; leave out data_type, or name another label_data_dir."
        )
    limits.keep_first_files(config, images, label)
    spans = splits.resolve(label, images, "label_split")
    num_classes = count_classes(config, images, images.class_names)
    labeled = images.source(spans, f"{images.name} {label}", num_classes)
    if isinstance(labeled, RecordSource):
        _check_first_labels(labeled)
    data = TaskData(
        make_task(config, num_classes, labeled),
        labeled,
        unlabeled=found.open_unlabeled(config),
        test=labeled,  # until there is another
        identity={},
        class_names=images.class_names,
        has_validation_split=found.validation(config) is not None,
    )
    if found.test is None:
        return _with_test_part(data, config)
    if isinstance(images, ImageFolders):
        images.check_classes(splits.split_names(found.test, images))
    test = splits.open_split(images, found.test, "test_split", num_classes)
    test = limits.first_test_images(config, images, found.test, test)
    return dataclasses.replace(data, test=test)


def _with_test_part(data: TaskData, config: DataConfig) -> TaskData:
    """Holds out some labelled images to test, where no split has any."""
    assert data.class_names is not None  # those of the folders
    divided = held_out.for_test(
        data.labeled, config.test_fraction, data.class_names
    )
    test = limits.first_images(
        divided.held_out, config.num_test_images, "num_test_images"
    )
    return dataclasses.replace(
        data,
        labeled=divided.trained,
        test=test,
        identity={"test_fraction": config.test_fraction},
        notes=(divided.note,),
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

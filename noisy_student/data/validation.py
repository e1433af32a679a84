"""Opens the labelled images that validate a model.

They are neither trained on nor what results are reported for. Few commands
read them, so that they are opened apart from the others of `open.py`.
"""

from noisy_student import tasks
from noisy_student.config import DataConfig
from noisy_student.data import limits, splits
from noisy_student.data.folders import ImageFolders
from noisy_student.data.open import (
    count_classes,
    default_test_split,
    find_kind,
    unlabeled_split,
)
from noisy_student.data.sources import ImageSet, ImageSource


def open_validation(config: DataConfig) -> ImageSource | None:
    """Opens the validation images of a task that `open_task` can open.

    These are `validation_split`, or else a split dev or validation from which
    no image is trained or tested on.

    Returns:
        The images; None where there are none.

    Raises:
        ValueError: there is no such split, it has other classes, or fewer
            images than `num_eval_images`.
    """
    if config.label_data_dir is not None:
        source = _open_directories(config, config.label_data_dir)
    elif config.task_name == "digits":
        return None
    else:
        source = _open_named(config)
    if source is None:
        return None
    return limits.first_images(
        source, config.num_eval_images, "num_eval_images"
    )


def check_apart(config: DataConfig) -> None:
    """Refuses a `validation_split` with images that are trained or tested on.

    By such images no model may be chosen. Those that `open_validation` finds
    by itself are apart.

    Raises:
        ValueError: naming both splits.
    """
    if config.validation_split is None or config.task_name == "digits":
        return
    images, *others = _image_set(config)
    ours = splits.resolve(config.validation_split, images, "validation_split")
    flags = ("label_split", "test_split")
    for flag, split in zip(flags, others, strict=True):
        if splits.overlap(ours, splits.resolve(split, images, flag)):
            raise ValueError(
                f"validation_split={config.validation_split!r} of "
                f"{images.name} must have no image of {flag}={split!r}; name "
                "parts of a split, such as train[:10%] and train[10%:]."
            )


def _image_set(config: DataConfig) -> tuple[ImageSet, str, str]:
    """The image set, and its splits to train and to test on."""
    images: ImageSet
    if config.label_data_dir is not None:
        images = found = find_kind(config.label_data_dir, "label_data_dir")
        label = config.label_split or "train"
        test = config.test_split or default_test_split(images)
        if isinstance(found, ImageFolders):
            read = (label, test, config.validation_split or "")
            names = (splits.split_names(each, found) for each in read)
            found.read_classes([name for each in names for name in each])
        return images, label, test
    from noisy_student.data import tfds  # slow to import

    images = named = tfds.NamedImages(config.task_name, config.tfds_data_dir)
    task = named.task()
    label = config.label_split or task.label_split
    return images, label, config.test_split or task.test_split


def _open_directories(config: DataConfig, joined: str) -> ImageSource | None:
    images = find_kind(joined, "label_data_dir")
    label = config.label_split or "train"
    test = config.test_split or default_test_split(images)
    split = _split(config, images, (label, test, unlabeled_split(images)))
    if split is None:
        return None
    if isinstance(images, ImageFolders):
        images.read_classes(splits.split_names(label, images))
        images.check_classes(splits.split_names(split, images))
    num_classes = count_classes(config, images, images.class_names)
    return splits.open_split(images, split, "validation_split", num_classes)


def _open_named(config: DataConfig) -> ImageSource | None:
    """Opens those of a data set of tensorflow-datasets."""
    from noisy_student.data import tfds  # slow to import

    images = tfds.NamedImages(config.task_name, config.tfds_data_dir)
    task: tasks.Task = images.task()
    label = config.label_split or task.label_split
    test = config.test_split or task.test_split
    split = _split(config, images, (label, test, task.unlabel_split))
    if split is None:
        return None
    return splits.open_split(images, split, "validation_split")


def _split(
    config: DataConfig,
    images: ImageSet,
    others: tuple[str, str, str | None],
) -> str | None:
    """The split that validates.

    Args:
        config: May name it.
        images: The image set.
        others: Expressions of the labelled and the test split, and the
            unlabelled split's default.
    """
    if config.validation_split is not None:
        return config.validation_split
    label, test, unlabeled = others
    if config.unlabel_image_dir is None:  # else the split is of that
        unlabeled = config.unlabel_split or unlabeled
    taken = {
        name
        for expression in (label, test, unlabeled or "")
        for name in splits.split_names(expression, images)
    }
    free = (
        name
        for name in limits.VALIDATION_SPLITS
        if name in images.split_names()
    )
    return next((name for name in free if name not in taken), None)

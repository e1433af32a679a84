"""Opens the labelled images that validate a model.

They are neither trained on nor what results are reported for. Few commands
read them, so that they are opened apart from the others of `open.py`.
"""

from noisy_student.config import DataConfig
from noisy_student.data import image_sets, limits, registered, splits
from noisy_student.data.folders import ImageFolders
from noisy_student.data.open import count_classes
from noisy_student.data.sources import ImageSet, ImageSource
from noisy_student.data.tfrecords import RecordDirectories


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
    if config.label_data_dir is None and config.task_name == "digits":
        return None
    if registered.find(config.task_name) is not None:
        return None
    found = image_sets.of_task(config)
    images, split = found.images, _split(config, found)
    if split is None:
        return None
    if isinstance(images, ImageFolders):
        images.check_classes(splits.split_names(split, images))
    num_classes = None  # the data set knows its own
    if isinstance(images, ImageFolders | RecordDirectories):
        num_classes = count_classes(config, images, images.class_names)
    source = splits.open_split(images, split, "validation_split", num_classes)
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
    images, *others, _ = image_sets.of_task(config)
    if isinstance(images, ImageFolders):
        for split in (*others, config.validation_split):
            images.check_classes(splits.split_names(split, images))
    ours = splits.resolve(config.validation_split, images, "validation_split")
    flags = ("label_split", "test_split")
    for flag, split in zip(flags, others, strict=True):
        if splits.overlap(ours, splits.resolve(split, images, flag)):
            raise ValueError(
                f"validation_split={config.validation_split!r} of "
                f"{images.name} must have no image of {flag}={split!r}; name "
                "parts of a split, such as train[:10%] and train[10%:]."
            )


def _split(
    config: DataConfig, found: image_sets.TaskSplits[ImageSet]
) -> str | None:
    """The split that validates; None if there is none."""
    if config.validation_split is not None:
        return config.validation_split
    images, label, test, unlabeled = found
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

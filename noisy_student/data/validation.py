"""Opens a split of labelled images that validate a model.

They are neither trained on nor what results are reported for. Few commands
read them, so that they are opened apart from the others of `open.py`.
"""

from noisy_student.config import DataConfig
from noisy_student.data import image_sets, limits, registered, splits
from noisy_student.data.directories import count_classes
from noisy_student.data.folders import ImageFolders
from noisy_student.data.sources import ImageSource
from noisy_student.data.tfrecords import RecordDirectories


def open_validation(config: DataConfig) -> ImageSource | None:
    """Opens the validation images of a task that `open_task` can open.

    See `TaskSplits.validation` for which these are.

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
    images, split = found.images, found.validation(config)
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
    found = image_sets.of_task(config)
    images, others = found.images, {"label_split": found.label}
    if found.test is not None:
        others["test_split"] = found.test
    if isinstance(images, ImageFolders):
        for split in (*others.values(), config.validation_split):
            images.check_classes(splits.split_names(split, images))
    ours = splits.resolve(config.validation_split, images, "validation_split")
    for flag, split in others.items():
        if splits.overlap(ours, splits.resolve(split, images, flag)):
            raise ValueError(
                f"validation_split={config.validation_split!r} of "
                f"{images.name} must have no image of {flag}={split!r}; name "
                "parts of a split, such as train[:10%] and train[10%:]."
            )

"""Takes only some images, or files, of a split.

Flags of the original take the first ones: `num_train_images`,
`num_eval_images`, `num_test_images`, `num_train_shards`.
"""

import numpy as np

from noisy_student.config import DataConfig
from noisy_student.data import splits
from noisy_student.data.sources import ImageSet, ImageSource
from noisy_student.data.tfrecords import RecordDirectories

# Splits of validation images by their name; the first one found counts.
VALIDATION_SPLITS = ("dev", "validation")


def keep_first_files(config: DataConfig, images: ImageSet, split: str) -> None:
    """Forgets all but the first `num_train_shards` files of a split.

    Args:
        config: The number.
        images: Never reads the other files then.
        split: The expression for the labelled split.

    Raises:
        ValueError: There are not so many, or the images are in no TFRecords.
    """
    number = config.num_train_shards
    if number is None:
        return
    if not isinstance(images, RecordDirectories):
        raise ValueError(
            f"num_train_shards={number} is for TFRecords in label_data_dir."
        )
    for name in splits.split_names(split, images):
        images.keep_first_files(name, number)


def first_test_images(
    config: DataConfig, images: ImageSet, split: str, source: ImageSource
) -> ImageSource:
    """Returns the first of the test images.

    Args:
        config: The numbers; that of validation counts if it serves as test.
        images: The image set.
        split: The split that is evaluated.
        source: Its images.

    Raises:
        ValueError: There are not so many, or none of validation.
    """
    number = config.num_eval_images
    has_some = {*VALIDATION_SPLITS} & {*images.split_names()}
    if number is not None and not (has_some or config.validation_split):
        raise ValueError(
            f"num_eval_images={number} is for images of validation, and "
            f"{images.name} has none; num_test_images is for those of {split}."
        )
    if split in VALIDATION_SPLITS:
        source = first_images(source, number, "num_eval_images")
    return first_images(source, config.num_test_images, "num_test_images")


def first_images(
    source: ImageSource, number: int | None, flag: str
) -> ImageSource:
    """Returns the first images of a source; all where `number` is None.

    Raises:
        ValueError: There are not so many; `flag` gave the number.
    """
    if number is None:
        return source
    _check_number(source, number, flag)
    return source.subset(np.arange(source.num_images) < number)


def spread_images(
    source: ImageSource, number: int | None, flag: str
) -> ImageSource:
    """Returns so many images, evenly spread over a source.

    Sources are often sorted by class, so that the first images are of a few
    classes.

    Args:
        source: The images.
        number: How many; None for all.
        flag: Gave the number, for the message.

    Raises:
        ValueError: There are not so many.
    """
    if number is None:
        return source
    _check_number(source, number, flag)
    mask = np.zeros(source.num_images, bool)
    mask[spread(source.num_images, number)] = True
    return source.subset(mask)


def spread(total: int, number: int) -> np.ndarray:
    """Returns `number` different places evenly spread over `total`, int64."""
    return np.arange(number) * total // number


def _check_number(source: ImageSource, number: int, flag: str) -> None:
    if number > source.num_images:
        raise ValueError(
            f"{flag}={number} is more than the {source.num_images} images of "
            f"{source.name}."
        )

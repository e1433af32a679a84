"""Takes only the first images, or files, of a split; by flags of the original.

`num_train_images`, `num_eval_images`, `num_test_images`, `num_train_shards`.
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
    if number > source.num_images:
        raise ValueError(
            f"{flag}={number} is more than the {source.num_images} images of "
            f"{source.name}."
        )
    return source.subset(np.arange(source.num_images) < number)

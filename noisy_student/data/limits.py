"""Takes only the first images, or files, of a split; by flags of the original.

`num_train_images`, `num_eval_images`, `num_test_images`, `num_train_shards`.
"""

from noisy_student.config import DataConfig
from noisy_student.data import splits
from noisy_student.data.sources import ImageSet, ImageSource
from noisy_student.data.tfrecords import RecordDirectories

_VALIDATION = ("validation", "dev")


def check_evaluated(config: DataConfig, split: str) -> None:
    """Refuses `num_eval_images` where it would have no effect.

    Args:
        config: The numbers.
        split: The split that is evaluated.

    Raises:
        ValueError: It is another one than that of validation.
    """
    number = config.num_eval_images
    if number is not None and split not in _VALIDATION:
        raise ValueError(
            f"num_eval_images={number} is for images of validation; {split} "
            "is evaluated, and num_test_images cuts that."
        )


def keep_first_files(
    config: DataConfig, images: ImageSet | None, split: str
) -> None:
    """Forgets all but the first `num_train_shards` files of a split.

    Args:
        config: The number.
        images: Those of `label_data_dir`; never reads the other files then.
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
        paths = images.files[name]
        if number > len(paths):
            raise ValueError(
                f"num_train_shards={number} is more than the {len(paths)} "
                f"files of {name} in {images.name}."
            )
        images.files[name] = paths[:number]


def first_images(
    config: DataConfig, labeled: ImageSource, test: ImageSource
) -> tuple[ImageSource, ImageSource]:
    """Returns the first labelled and test images, as many as are asked for.

    Raises:
        ValueError: There are not so many.
    """
    train, validation = config.num_train_images, config.num_eval_images
    test = _first(test, validation, "num_eval_images")
    return (
        _first(labeled, train, "num_train_images"),
        _first(test, config.num_test_images, "num_test_images"),
    )


def _first(source: ImageSource, number: int | None, flag: str) -> ImageSource:
    if number is None:
        return source
    if number > source.num_images:
        raise ValueError(
            f"{flag}={number} is more than the {source.num_images} images of "
            f"{source.name}."
        )
    return source.first(number)

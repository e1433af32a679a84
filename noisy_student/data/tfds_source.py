"""Image data sets of tensorflow-datasets as sources.

Any data set whose features include `image` and `label` works by name. Images
stay encoded: what is decoded, and how much of it, is the pipelines' choice.
"""

import pathlib
from collections.abc import Callable

import tensorflow as tf
import tensorflow_datasets as tfds

from noisy_student import tasks
from noisy_student.config import DataConfig
from noisy_student.data import sources


def open_task(config: DataConfig, seed: int) -> sources.TaskData:
    """Opens a data set by name; see `sources.open_task`."""
    builder = open_builder(config.task_name, config.tfds_data_dir)
    task = tasks.KNOWN.get(builder.name) or _generic_task(builder)
    label_split = config.label_split or task.label_split
    test_split = config.test_split or task.test_split
    num_labeled = config.num_labeled or task.num_labeled
    labeled, rest = _label(builder, label_split, num_labeled, task, seed)
    unlabel_split = config.unlabel_split or task.unlabel_split
    if unlabel_split:
        rest = open_split(builder, unlabel_split, "unlabel_split")
    return sources.TaskData(
        task,
        labeled,
        rest,
        open_split(builder, test_split, "test_split"),
        sources.make_identity(config, num_labeled, seed),
        tuple(builder.info.features["label"].names),
    )


def open_builder(name: str, data_dir: str | None) -> tfds.core.DatasetBuilder:
    """The data set's builder, downloaded where that is needed and possible.

    Raises:
        ValueError: it is unknown, cannot be classified or downloaded.
    """
    if data_dir is not None and not pathlib.Path(data_dir).is_dir():
        raise ValueError(
            f"tfds_data_dir {data_dir} does not exist; create it, or name "
            "the directory where tensorflow-datasets keeps its data."
        )
    try:
        builder = tfds.builder(name, data_dir=data_dir)
    except (tfds.core.registered.DatasetNotFoundError, AssertionError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ValueError(
            f"Unknown task_name {name!r}; known are {', '.join(tasks.KNOWN)} "
            f"and the image data sets of tensorflow-datasets ({reason})."
        ) from error
    _check_features(builder)
    if not builder.is_prepared():
        _download(builder)
    return builder


def _check_features(builder: tfds.core.DatasetBuilder) -> None:
    features = builder.info.features
    is_classified = (
        isinstance(features, tfds.features.FeaturesDict)
        and {"image", "label"} <= set(features.keys())
        and isinstance(features["image"], tfds.features.Image)
        and isinstance(features["label"], tfds.features.ClassLabel)
    )
    if not is_classified:
        raise ValueError(
            f"task_name {builder.name!r} names a data set without the "
            "features `image` and `label`; it cannot be classified."
        )


def _download(builder: tfds.core.DatasetBuilder) -> None:
    try:
        builder.download_and_prepare()
    except Exception as error:  # the network has many ways to fail
        reason = str(error).strip().split("\n")[0]
        raise ValueError(
            f"{builder.name} is not prepared in {builder.data_path.parent} "
            f"and could not be downloaded ({type(error).__name__}: {reason}); "
            "set --tfds_data_dir to a directory that has it."
        ) from error


def _generic_task(builder: tfds.core.DatasetBuilder) -> tasks.Task:
    features = builder.info.features
    height, width, _ = features["image"].shape
    return tasks.generic_task(
        builder.name,
        features["label"].num_classes,
        side=height if height == width else None,
    )


def _label(builder, split, num_labeled, task, seed):
    """The labelled images of a split, and its others."""
    source = open_split(builder, split, "label_split")
    if num_labeled is None:
        return source, None
    return sources.split_labeled(
        source, source.labels(), num_labeled, task.num_classes, seed
    )


def open_split(
    builder: tfds.core.DatasetBuilder,
    split: str,
    flag: str,
    in_order: bool = False,
) -> sources.ImageSource:
    """The images of a split.

    Args:
        builder: see `open_builder`.
        split: an expression.
        flag: that gave it, for messages.
        in_order: whether to read one file after the other, so that the
            images of any slice come as they are numbered; or else several
            files in turn, which is faster.

    Raises:
        ValueError: there is no such split, or it is empty.
    """
    try:
        num_images = builder.info.splits[split].num_examples
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"{flag}={split!r} is no split of {builder.name}, which has "
            f"{', '.join(builder.info.splits)}."
        ) from error
    if num_images == 0:
        raise ValueError(f"{flag}={split!r} of {builder.name} is empty.")
    return sources.ImageSource(
        num_images,
        _reader(builder, split, in_order),
        f"{builder.name} {split}",
    )


def _reader(
    builder, split: str, in_order: bool
) -> Callable[[], tf.data.Dataset]:
    config = tfds.ReadConfig()
    if in_order:
        config.interleave_cycle_length = 1

    def read() -> tf.data.Dataset:
        dataset = builder.as_dataset(
            split=split,
            shuffle_files=False,
            read_config=config,
            decoders={"image": tfds.decode.SkipDecoding()},
        )
        return dataset.enumerate().map(_to_example)

    return read


def _to_example(index: tf.Tensor, features: dict) -> dict[str, tf.Tensor]:
    return {
        "encoded": features["image"],
        "label": features["label"],
        "index": index,
    }

"""Opens a task: its labelled, unlabelled and test images.

All sources look alike from outside: encoded images with a label and a stable
index, in an order that never changes. Decoding, cropping and noise are the
pipelines' (`pipelines.py`).
"""

import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from noisy_student import tasks
from noisy_student.config import DataConfig

_NEARLY = 1.02


@dataclasses.dataclass(frozen=True)
class ImageSource:
    """A set of images.

    Attributes:
        num_images: how many there are.
        read: returns a dataset of dicts with `encoded` (string: JPEG, PNG,
            BMP or GIF), `label` (int64, 0-based, negative where unknown) and
            `index` (int64, stable), always in the same order.
        name: where the indices count from, for messages.
        record_paths: the TFRecord files that it reads, where it is known.
    """

    num_images: int
    read: Callable[[], tf.data.Dataset]
    name: str
    record_paths: tuple[str, ...] = dataclasses.field(default=(), kw_only=True)

    def read_batches(self, size: int) -> tf.data.Dataset:
        """What `read` returns, in batches of `size`; the last may be less."""
        return self.read().batch(size)

    def shard(self, index: int, count: int) -> "ImageSource":
        """One of `count` parts: every `count`-th image, or every such file."""
        return self.stride(index, count)

    def worker_part(self, index: int, count: int) -> "ImageSource":
        """The part that a worker trains on, of nearly the same size for all.

        All give as many images to a step: with much fewer than another, a
        worker's would come more often.
        """
        if count == 1:
            return self
        parts = [self.shard(number, count) for number in range(count)]
        sizes = [part.num_images for part in parts]
        if nearly_equal(sizes):
            return parts[index]
        return self.stride(index, count)

    def stride(self, index: int, count: int) -> "ImageSource":
        """Every `count`-th image from the `index`-th on."""
        if count == 1:
            return self
        return _PartSource(
            len(range(index, self.num_images, count)),
            lambda: self.read().shard(count, index),
            self.name,
            self,
            record_paths=self.record_paths,
        )

    def subset(self, mask: np.ndarray) -> "ImageSource":
        """The images where `mask`, bool (images,), holds."""

        def read() -> tf.data.Dataset:
            chosen = tf.constant(mask)
            return self.read().filter(lambda example: chosen[example["index"]])

        return _PartSource(
            int(mask.sum()),
            read,
            self.name,
            self,
            record_paths=self.record_paths,
        )

    def labels(self) -> np.ndarray:
        """The labels of all images, int64 (images,)."""
        labels = self.read().map(lambda example: example["label"])
        return np.concatenate([batch.numpy() for batch in labels.batch(4096)])

    def describe(self, index: tf.Tensor) -> tf.Tensor:
        """The name for messages, string (), of the image with an index."""
        number = tf.strings.as_string(index)
        return tf.strings.join(["image ", number, f" of {self.name}"])


def nearly_equal(sizes: Sequence[int]) -> bool:
    """Whether parts of these sizes may count as much as one another."""
    return max(sizes) <= _NEARLY * min(sizes)


@dataclasses.dataclass(frozen=True)
class _PartSource(ImageSource):
    """Some images of a source; their indices stay those of the whole."""

    whole: ImageSource

    def describe(self, index: tf.Tensor) -> tf.Tensor:
        """As the whole names it."""
        return self.whole.describe(index)


@dataclasses.dataclass(frozen=True)
class TaskData:
    """A task with its images.

    Attributes:
        task: the facts.
        labeled, test: images with labels.
        unlabeled: None where there are none; labels, where known, only
            serve to measure pseudo labels.
        identity: the flags that decide which images these are. What is made
            of the images remembers it, so that it never meets others.
        class_names: in the order of the labels; None where nothing says
            them.
    """

    task: tasks.Task
    labeled: ImageSource
    unlabeled: ImageSource | None
    test: ImageSource
    identity: dict[str, Any]
    class_names: tuple[str, ...] | None = None

    def require_unlabeled(self) -> ImageSource:
        """The unlabelled images.

        Raises:
            ValueError: there are none.
        """
        if self.unlabeled is None:
            raise ValueError(
                f"Task {self.task.name} has no unlabelled images with these "
                "flags, and a student needs some: lower num_labeled or set "
                "unlabel_split or unlabel_image_dir."
            )
        return self.unlabeled


def open_task(config: DataConfig, seed: int) -> TaskData:
    """Opens the images of a task.

    Args:
        config: names the task, its splits and `num_labeled`.
        seed: chooses which images keep their label (and which digits test).

    Raises:
        ValueError: the task is unknown, its data are missing, or
            `num_labeled` does not fit it.
    """
    # These import this module.
    from noisy_student.data import directories

    if config.label_data_dir is not None:
        return directories.open_task(config, seed)
    if config.num_label_classes is not None:
        raise ValueError(
            f"num_label_classes={config.num_label_classes} is for images of "
            f"label_data_dir; the task {config.task_name} knows its classes."
        )
    if config.unlabel_image_dir is None:
        return _open_named(config, seed)
    # Its unlabel_split is one of the directory, not of the task.
    data = _open_named(dataclasses.replace(config, unlabel_split=None), seed)
    num_labeled = data.identity["num_labeled"]
    return dataclasses.replace(
        data,
        unlabeled=directories.open_unlabeled(config),
        identity=make_identity(config, num_labeled, seed),
    )


def _open_named(config: DataConfig, seed: int) -> TaskData:
    """The task that `task_name` names by itself."""
    # These import this module, and cost seconds.
    if config.task_name == "digits":
        from noisy_student.data import digits_source

        return digits_source.open_task(config, seed)
    from noisy_student.data import tfds_source

    return tfds_source.open_task(config, seed)


def make_identity(
    config: DataConfig, num_labeled: int | None, seed: int
) -> dict[str, Any]:
    """`TaskData.identity`; the seed counts where it chose images."""
    return {
        "task_name": config.task_name,
        "label_data_dir": _resolved(config.label_data_dir),
        "unlabel_image_dir": _resolved(config.unlabel_image_dir),
        "label_split": config.label_split,
        "unlabel_split": config.unlabel_split,
        "test_split": config.test_split,
        "num_labeled": num_labeled,
        "seed": None if num_labeled is None else seed,
    }


def _resolved(directories: str | None) -> str | None:
    if directories is None:
        return None
    return ";".join(map(os.path.realpath, directories.split(";")))


def split_labeled(
    source: ImageSource,
    labels: np.ndarray,
    num_labeled: int,
    num_classes: int,
    seed: int,
) -> tuple[ImageSource, ImageSource | None]:
    """Lets a class-balanced subset keep its labels.

    Args:
        source: the whole.
        labels: int (images,), in its order.
        num_labeled: images of the subset.
        num_classes: number of labels.
        seed: of the choice.

    Returns:
        The subset, and the other images or None where none is left.
    """
    mask = balanced_mask(labels, num_labeled, num_classes, seed)
    rest = source.subset(~mask)
    return source.subset(mask), rest if rest.num_images else None


def balanced_mask(
    labels: np.ndarray, num_labeled: int, num_classes: int, seed: int
) -> np.ndarray:
    """Chooses `num_labeled / num_classes` images of each class at random.

    Returns:
        bool (images,).

    Raises:
        ValueError: `num_labeled` is not divisible by the classes, or a class
            has fewer images.
    """
    per_class, remainder = divmod(num_labeled, num_classes)
    if remainder:
        raise ValueError(
            f"num_labeled must be divisible by the {num_classes} classes; "
            f"got {num_labeled}."
        )
    mask = np.zeros(len(labels), bool)
    generator = np.random.default_rng(seed)
    for label in range(num_classes):
        members = np.flatnonzero(labels == label)
        if len(members) < per_class:
            raise ValueError(
                f"num_labeled={num_labeled} needs {per_class} images of each "
                f"class; class {label} has {len(members)}, and there are "
                f"{len(labels)} images in all."
            )
        mask[generator.permutation(members)[:per_class]] = True
    return mask

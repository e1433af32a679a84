"""The types of a task's images.

All sources look alike from outside: encoded images with a label and a stable
index, in an order that never changes. `open.py` decides which source a task
has; `views.py` decodes, crops and adds noise, in the pipelines of
`pipelines.py`. This module opens nothing.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from noisy_student import tasks
from noisy_student.data.order import Blocks

_NEARLY_EQUAL = 1.02


@dataclasses.dataclass(frozen=True)
class ImageSource:
    """A sequence of encoded images.

    Attributes:
        num_images: The number of images.
        read: Returns a dataset of dicts with `encoded` (string: JPEG, PNG,
            BMP or GIF), `label` (int64, 0-based; negative where it is unknown,
            beyond the classes where it is known to be none of them) and
            `index` (int64, stable), always in the same order. `record`
            (string) names an image in messages; without it the index does.
        name: What the indices refer to, for messages.
        record_paths: The TFRecord files that are read, where these are known.
        exif: Whether images are turned as the EXIF data in their files say.
            Those of records are upright, or taken as they are stored.
    """

    num_images: int
    read: Callable[[], tf.data.Dataset]
    name: str
    record_paths: tuple[str, ...] = dataclasses.field(default=(), kw_only=True)
    exif: bool = dataclasses.field(default=False, kw_only=True)

    def read_batches(self, size: int) -> tf.data.Dataset:
        """Returns what `read` returns in batches; the last may be smaller."""
        return self.read().batch(size)

    def blocks(self) -> Blocks:
        """Returns how training reads the images, in an order of its own.

        A source that can be read only from its begin is one block.
        """
        return Blocks(
            np.array([self.num_images]),
            lambda numbers: numbers.flat_map(lambda _: self.read()),
            lambda places, examples: examples,
        )

    def in_memory(self, side: int, max_bytes: int) -> "ImageSource":
        """Returns the images as they are kept in memory for a model's input.

        Args:
            side: Of the input, in pixels.
            max_bytes: The most memory that they may take; if they took more,
                the images are read each time.
        """
        del side, max_bytes  # only files are read faster from memory
        return self

    def shard(self, index: int, count: int) -> "ImageSource":
        """Returns one of `count` shards: every `count`-th image or file."""
        return self.stride(index, count)

    def worker_part(self, index: int, count: int) -> "ImageSource":
        """Returns the images that one worker trains on.

        All workers get nearly the same number of images. Each contributes
        the same number to a step, so the images of a worker with far fewer
        of them would be seen more often.

        Args:
            index: The worker, in [0, count).
            count: The number of workers.
        """
        if count == 1:
            return self
        shards = [self.shard(number, count) for number in range(count)]
        if nearly_equal([shard.num_images for shard in shards]):
            return shards[index]
        return self.stride(index, count)

    def stride(self, index: int, count: int) -> "ImageSource":
        """Returns every `count`-th image from the `index`-th on."""
        if count == 1:
            return self
        return self.reading(
            len(range(index, self.num_images, count)),
            lambda: self.read().shard(count, index),
        )

    def subset(self, mask: np.ndarray) -> "ImageSource":
        """Returns the images where `mask`, bool (images,), is true."""

        def read() -> tf.data.Dataset:
            chosen = tf.constant(mask)
            return (
                self.read()
                .enumerate()
                .filter(lambda place, example: chosen[place])
                .map(lambda place, example: example)
            )

        return self.reading(int(mask.sum()), read)

    def with_labels(self, labels: np.ndarray) -> "ImageSource":
        """Returns the same images, read alike, with other labels.

        Args:
            labels: int64 (images,), see `read`.
        """

        def read() -> tf.data.Dataset:
            others = tf.data.Dataset.from_tensor_slices(labels)
            return tf.data.Dataset.zip(self.read(), others).map(
                lambda example, label: example | {"label": label}
            )

        return self.reading(self.num_images, read)

    def reading(
        self, num_images: int, read: Callable[[], tf.data.Dataset]
    ) -> "ImageSource":
        """Returns some of the images, or all in another way."""
        return ImageSource(
            num_images,
            read,
            self.name,
            record_paths=self.record_paths,
            exif=self.exif,
        )

    def labels(self) -> np.ndarray:
        """Returns the labels of all images, int64 (images,)."""
        labels = self.read().map(lambda example: example["label"])
        return np.concatenate([batch.numpy() for batch in labels.batch(4096)])


class RandomAccessSource(ImageSource):
    """Images of which any can be read without those before them."""

    def at(self, places: np.ndarray) -> "ImageSource":
        """Returns the images at some places; no others are read.

        Args:
            places: int64 (n,), ascending.
        """
        raise NotImplementedError

    def stride(self, index: int, count: int) -> "ImageSource":
        """See `ImageSource`."""
        if count == 1:
            return self
        return self.at(np.arange(index, self.num_images, count))

    def subset(self, mask: np.ndarray) -> "ImageSource":
        """See `ImageSource`."""
        return self.at(np.flatnonzero(mask))


def nearly_equal(sizes: Sequence[int]) -> bool:
    """Returns whether shares of these sizes differ by at most 2 %."""
    return max(sizes) <= _NEARLY_EQUAL * min(sizes)


class Span(NamedTuple):
    """The images of a split from `start` up to, not including, `stop`."""

    split: str
    start: int
    stop: int


class ImageSet(Protocol):
    """Images in named splits: directories, or a data set of a library.

    Attributes:
        name: The name of the whole, for messages.
    """

    name: str

    def split_names(self) -> list[str]:
        """Returns the names of the splits."""

    def shard_sizes(self, split: str) -> Sequence[int]:
        """Returns the number of images in each file, or piece, of a split."""

    def source(
        self, spans: list[Span], name: str, num_classes: int | None = None
    ) -> ImageSource:
        """Returns the images of some spans, one after the other.

        Args:
            spans: See `splits.resolve`.
            name: The source's name.
            num_classes: Every image must have a label below it; None if
                images need no label.
        """


@dataclasses.dataclass(frozen=True)
class TaskData:
    """A task with its images.

    Attributes:
        task: The facts about the task.
        labeled: The labelled training images.
        unlabeled: The unlabelled training images, or None. Labels, where they
            are known, only serve to measure pseudo labels.
        test: The labelled test images.
        identity: The settings that decide which images these are. Everything
            made from the images stores it, so that different images are
            never mixed.
        class_names: The names of the labels in order; None if unknown.
        has_validation_split: Whether there is a split of images to validate.
        held_out: The labelled images that `validation_fraction` holds out for
            that, or None.
        notes: What people should know of how the images were divided.
        truth: The SHA-256 of the file that `unlabeled` has its labels of; None
            where no flag names one.
    """

    task: tasks.Task
    labeled: ImageSource
    unlabeled: ImageSource | None
    test: ImageSource
    identity: dict[str, Any]
    class_names: tuple[str, ...] | None = None
    has_validation_split: bool = False
    held_out: ImageSource | None = None
    notes: tuple[str, ...] = ()
    truth: str | None = None

    @property
    def record_paths(self) -> tuple[str, ...]:
        """The TFRecord files of all images, for `decoding.input_errors`."""
        unlabeled = self.unlabeled.record_paths if self.unlabeled else ()
        return self.labeled.record_paths + unlabeled + self.test.record_paths

    def require_unlabeled(self) -> ImageSource:
        """Returns the unlabelled images.

        Raises:
            ValueError: There are none.
        """
        if self.unlabeled is None:
            raise ValueError(
                f"Task {self.task.name} has no unlabelled images with these "
                "flags, and a student needs some: put them into the folder "
                "unlabelled of label_data_dir, name them by unlabel_image_dir "
                "or unlabel_split, or let only num_labeled of the labelled "
                "ones keep their labels."
            )
        return self.unlabeled

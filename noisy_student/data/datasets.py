"""Any `tf.data.Dataset` of images as a task; checked when it is opened.

A dataset is read again for every pass, and must give the same images in the
same order each time: what is labelled is known by its place.
"""

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import tensorflow as tf

from noisy_student import cores, tasks
from noisy_student.data.sources import ImageSource, TaskData
from noisy_student.errors import InputError

_SAMPLE = 100  # images that tell a dataset from others
_BATCH = 1024  # sizes and labels looked at together


@dataclasses.dataclass(frozen=True)
class Images:
    """A program's own images.

    Each dataset gives images, uint8 (height, width, 3), RGB in [0, 255], one
    by one: pairs of an image and its label, an integer from 0, or dicts with
    the keys `image` and `label`. Unlabelled images may come alone; labels
    that they have only serve to measure pseudo labels.

    Attributes:
        labeled: The labelled training images.
        unlabeled: The unlabelled ones.
        test: The labelled test images.
        num_classes: The number of classes; None where `class_names` are given.
        class_names: The names of the classes, in order.
        name: Tells these images from others, in what a run keeps. None takes
            a digest of their numbers and the first images.
    """

    labeled: tf.data.Dataset | None = None
    unlabeled: tf.data.Dataset | None = None
    test: tf.data.Dataset | None = None
    num_classes: int | None = None
    class_names: Sequence[str] | None = None
    name: str | None = None

    def open(self) -> TaskData:
        """Looks through the datasets once.

        Raises:
            InputError: One does not give such images, or never ends.
        """
        classes = self._count_classes()
        found = {
            kind: _Dataset.look_through(kind, dataset, classes)
            for kind, dataset in (
                ("labeled", self.labeled),
                ("unlabeled", self.unlabeled),
                ("test", self.test),
            )
            if dataset is not None
        }
        if not found:
            raise InputError("labeled, unlabeled or test must be a dataset.")
        name = self.name or _digest(found.values())
        sources = {kind: each.source for kind, each in found.items()}
        none = dataclasses.replace(
            next(iter(sources.values())), num_images=0
        ).subset(np.zeros(0, bool))
        names = None if self.class_names is None else tuple(self.class_names)
        return TaskData(
            _task(name, classes, {s for x in found.values() for s in x.sizes}),
            sources.get("labeled", none),
            sources.get("unlabeled"),
            sources.get("test", none),
            {},
            names,
        )

    def _count_classes(self) -> int:
        number, names = self.num_classes, self.class_names
        if number is None and names is None:
            raise InputError("num_classes or class_names must be given.")
        count = len(names) if names is not None else number
        assert count is not None
        if number not in (None, count) or count < 2:
            raise InputError(
                "num_classes must be 2 or more, and the number of class_names; "
                f"got {number} and {names}."
            )
        return count


@dataclasses.dataclass(frozen=True)
class _Dataset:
    """A dataset that was looked through once.

    Attributes:
        source: Its images.
        sizes: Heights and widths that occur.
    """

    source: ImageSource
    sizes: frozenset[tuple[int, int]]

    @classmethod
    def look_through(
        cls, kind: str, dataset: tf.data.Dataset, num_classes: int
    ) -> "_Dataset":
        """Counts images, and checks them and their labels; see `Images`."""
        pairs = _pairs(kind, dataset)
        facts = pairs.map(lambda image, label: (tf.shape(image)[:2], label))
        sizes: set[tuple[int, int]] = set()
        count = 0
        for shapes, labels in facts.batch(_BATCH).as_numpy_iterator():
            sizes.update(map(tuple, shapes.tolist()))
            if kind != "unlabeled":
                _check_labels(kind, labels, count, num_classes)
            count += len(labels)
        if not count:
            raise InputError(f"{kind} has no images.")
        first, again = (_first_images(pairs, _SAMPLE) for _ in range(2))
        if first != again:
            raise InputError(
                f"{kind} gives its images in another order each time; leave "
                "out its shuffle (training shuffles by itself), or set "
                "reshuffle_each_iteration=False."
            )
        source = ImageSource(
            count, lambda: _encoded(pairs), f"the {kind} images"
        )
        return cls(source, frozenset(sizes))


def _pairs(kind: str, dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Returns a dataset of images and labels, int64, -1 where there are none.

    Raises:
        InputError: It is not as `Images` says.
    """
    if not isinstance(dataset, tf.data.Dataset):
        raise InputError(
            f"{kind} must be a tf.data.Dataset; got {type(dataset).__name__}. "
            "Of arrays, tf.data.Dataset.from_tensor_slices makes one."
        )
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise InputError(
            f"{kind} never ends: leave out its repeat (training repeats by "
            "itself), or end it with take(number)."
        )
    match dataset.element_spec:
        case (image, label):
            pass
        case {"image": image, "label": label}:
            dataset = dataset.map(lambda x: (x["image"], x["label"]))
        case {"image": image} if kind == "unlabeled":
            label, dataset = None, dataset.map(lambda x: x["image"])
        case tf.TensorSpec() as image if kind == "unlabeled":
            label = None
        case other:
            raise InputError(
                f"{kind} must give pairs of an image and a label, or dicts "
                f"with image and label; it gives {other}."
            )
    _check_image(kind, image)
    if label is None:
        return dataset.map(lambda image: (image, tf.constant(-1, tf.int64)))
    if label.shape.rank != 0 or not label.dtype.is_integer:
        raise InputError(
            f"The labels of {kind} must be integers from 0, of shape (); they "
            f"are {label.dtype.name} {label.shape}. Of one-hot labels take "
            "tf.argmax."
        )
    return dataset.map(lambda image, label: (image, tf.cast(label, tf.int64)))


def _check_image(kind: str, image: tf.TensorSpec) -> None:
    if image.shape.rank == 4:
        raise InputError(f"{kind} gives batches of images: add .unbatch().")
    if image.dtype != tf.uint8:
        raise InputError(
            f"The images of {kind} must be uint8 in [0, 255]; they are "
            f"{image.dtype.name}. From [0, 1], "
            "tf.image.convert_image_dtype(image, tf.uint8, saturate=True) "
            "makes them so."
        )
    if image.shape.rank != 3 or image.shape[-1] != 3:
        raise InputError(
            f"The images of {kind} must be of shape (height, width, 3); they "
            f"are {image.shape}. tf.image.grayscale_to_rgb makes grey ones so."
        )


def _check_labels(
    kind: str, labels: np.ndarray, first: int, num_classes: int
) -> None:
    wrong = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if len(wrong):
        raise InputError(
            f"The labels of {kind} must be in [0, {num_classes}); image "
            f"{first + wrong[0]} has {labels[wrong[0]]}."
        )


def _encoded(pairs: tf.data.Dataset) -> tf.data.Dataset:
    """Returns what `ImageSource.read` returns; PNGs lose nothing."""

    def encode(
        index: tf.Tensor, pair: tuple[tf.Tensor, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        image, label = pair
        encoded = tf.io.encode_png(image)
        return {"encoded": encoded, "label": label, "index": index}

    return pairs.enumerate().map(encode, num_parallel_calls=cores.available())


def _first_images(pairs: tf.data.Dataset, number: int) -> list[bytes]:
    return [
        image.tobytes() + label.tobytes()
        for image, label in pairs.take(number).as_numpy_iterator()
    ]


def _digest(found: Iterable[_Dataset]) -> str:
    digest = hashlib.sha256()
    for each in found:
        digest.update(str(each.source.num_images).encode())
        for example in each.source.read().take(_SAMPLE).as_numpy_iterator():
            digest.update(example["encoded"] + str(example["label"]).encode())
    return f"images-{digest.hexdigest()[:12]}"


def _task(name: str, classes: int, sizes: set[tuple[int, int]]) -> tasks.Task:
    """Returns the known task of this name, or one for images of these sizes."""
    known = tasks.KNOWN.get(name)
    if known is not None:
        return dataclasses.replace(known, num_classes=classes, num_labeled=None)
    height, width = sizes.pop() if len(sizes) == 1 else (0, 1)
    side = width if height == width else None
    return tasks.generic_task(name, classes, side)

"""The images that become records: which they are, and their order.

Labelled images of folders are spread over the files at random, so that each
file has all classes. Unlabelled ones keep their order. So do those of
tensorflow-datasets, which are shuffled when they are prepared.
"""

import dataclasses
import hashlib
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from noisy_student.config.paths import to_path
from noisy_student.data import image_files, splits
from noisy_student.data.folders import UNLABELED_SPLITS, ImageFolders
from noisy_student.data.sources import ImageSet, Span
from noisy_student.files import remote

if TYPE_CHECKING:  # slow to import
    import tensorflow_datasets as tfds_library

    from noisy_student.data import tfds

UNLABELED_PREFIX = "extra"  # of images that lie in no splits


class RawImage(NamedTuple):
    """An image as it was found.

    Attributes:
        name: Where it came from.
        encoded: The content of the file.
        label: 0-based, negative where unknown.
        error: Why the file could not be read, or None.
    """

    name: str
    encoded: bytes
    label: int
    error: str | None = None


class Images(Protocol):
    """A sequence of images that other processes can unpickle and read."""

    def select(self, places: np.ndarray) -> "Images":
        """Returns the images at some places, in the order of `places`."""

    def read(self) -> Iterator[RawImage]:
        """Yields the images."""


@dataclasses.dataclass(frozen=True)
class Split:
    """A split to make.

    Attributes:
        prefix: The prefix of the record files.
        images: The images.
        order: int (images,), the places of the images in the order of the
            records.
        fingerprint: Tells whether the images are still the same.
    """

    prefix: str
    images: Images
    order: np.ndarray
    fingerprint: str


@dataclasses.dataclass(frozen=True)
class FileImages:
    """Image files with labels; their names are relative to `root`."""

    root: str
    paths: np.ndarray
    labels: np.ndarray

    def select(self, places: np.ndarray) -> "FileImages":
        """See `Images`."""
        return FileImages(self.root, self.paths[places], self.labels[places])

    def read(self) -> Iterator[RawImage]:
        """See `Images`."""
        for path, label in zip(self.paths, self.labels, strict=True):
            encoded, error, file = b"", None, to_path(path)
            try:
                encoded = file.read_bytes()
            except remote.errors(file) as reason:
                error = getattr(reason, "strerror", None) or str(reason)
            name = self.name(path).decode(errors="replace")
            yield RawImage(name, encoded, int(label), error)

    def name(self, path: str) -> bytes:
        """Returns a path relative to the root, as the system has it."""
        return os.fsencode(os.path.relpath(path, self.root))


@dataclasses.dataclass(frozen=True)
class NamedImages:
    """Images of a data set of tensorflow-datasets.

    Attributes:
        builder: The data set.
        spans: The images to choose from.
        places: int (images,), ascending: the places in `spans` of the images.
    """

    builder: "tfds_library.core.DatasetBuilder"
    spans: Sequence[Span]
    places: np.ndarray

    def select(self, places: np.ndarray) -> "NamedImages":
        """See `Images`."""
        return NamedImages(self.builder, self.spans, self.places[places])

    def read(self) -> Iterator[RawImage]:
        """See `Images`; the name is `DATA_SET/SPLIT/NUMBER`."""
        from noisy_student.data import tfds  # slow to import

        offset, places = 0, self.places
        for split, start, stop in self.spans:
            within = (places >= offset) & (places < offset + stop - start)
            numbers = places[within] - offset + start
            offset += stop - start
            if not len(numbers):
                continue
            first, wanted = int(numbers[0]), set(numbers.tolist())
            span = Span(split, first, int(numbers[-1]) + 1)
            images = tfds.read(self.builder, [span], in_order=True)
            for example in images.as_numpy_iterator():
                number = first + int(example["index"])
                if number in wanted:
                    name = f"{self.builder.name}/{split}/{number:08d}"
                    label = int(example["label"])
                    yield RawImage(name, example["encoded"], label)


def parse(split: str, images: ImageSet) -> tuple[str, str]:
    """Returns prefix and expression of a split to make.

    Args:
        split: A split, an expression such as `train[:90%]`, whose prefix is
            the split's name, or either with another prefix, such as
            `validation=train[90%:]`.
        images: The image set with the splits.
    """
    if split in (*images.split_names(), splits.WHOLE):
        return UNLABELED_PREFIX if split == splits.WHOLE else split, split
    prefix, equals, expression = split.rpartition("=")
    if not equals and "+" not in split:
        prefix = split.split("[")[0].strip()
    return prefix or split, expression


def labeled_names(split: str, images: ImageSet) -> list[str]:
    """Returns the splits of a split to make if these have class folders."""
    names = splits.split_names(parse(split, images)[1], images)
    return [] if set(names) & set(UNLABELED_SPLITS) else names


def folder_split(
    images: ImageFolders, root: str, split: str, seed: int
) -> Split:
    """Returns a split of folders.

    Args:
        images: The folders, whose classes are read.
        root: The directory that names of images are relative to.
        split: See `parse`.
        seed: The seed of the order of labelled images.

    Raises:
        ValueError: There is no such split, or it is empty.
    """
    prefix, expression = parse(split, images)
    labeled = bool(labeled_names(split, images))
    whole = expression in (*images.split_names(), splits.WHOLE)
    if whole and not sum(images.shard_sizes(expression)):
        where = os.path.join(root, expression, "CLASS" if labeled else "")
        raise ValueError(
            f"There are no images in {where}; their names must end in one of "
            f"{' '.join(image_files.EXTENSIONS)}."
        )
    spans = splits.resolve(expression, images, "splits")
    source = images.source(spans, expression)
    files = FileImages(root, source.paths, source.known_labels)
    order = np.arange(source.num_images)
    if labeled:
        order = np.random.default_rng(seed).permutation(source.num_images)
    digest = hashlib.sha256(order.tobytes())
    for path, label in zip(files.paths, files.labels, strict=True):
        digest.update(files.name(path) + b"\0%d\0" % label)
    fingerprint = f"{source.num_images}, {digest.hexdigest()[:16]}"
    return Split(prefix, files, order, fingerprint)


def named_split(images: "tfds.NamedImages", split: str) -> Split:
    """Returns a split of a data set of tensorflow-datasets.

    Args:
        images: The data set.
        split: See `parse`.

    Raises:
        ValueError: There is no such split, or it is empty.
    """
    prefix, expression = parse(split, images)
    spans = splits.resolve(expression, images, "splits")
    numbers = np.concatenate([np.arange(s.start, s.stop) for s in spans])
    places = np.arange(len(numbers))
    digest = hashlib.sha256(numbers.tobytes()).hexdigest()
    names = "+".join(span.split for span in spans)
    version = images.builder.version
    return Split(
        prefix,
        NamedImages(images.builder, spans, places),
        places,
        f"{len(places)} of {images.name}:{version} {names}, {digest[:16]}",
    )

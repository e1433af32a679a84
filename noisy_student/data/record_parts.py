"""Splits to make records of: folders of images, or tensorflow-datasets.

Of folders, labelled splits are spread at random over the files, so that each
has all classes; unlabelled ones keep their order, as do tensorflow-datasets,
which are shuffled when they are prepared.
"""

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Iterator

import numpy as np
from absl import logging

from noisy_student.data import folder_source, image_files, making
from noisy_student.data.image_set import WHOLE, Classes, Span

UNLABELED_PREFIX = "extra"  # of a heap of images


@dataclasses.dataclass(frozen=True)
class FileImages:
    """Image files: paths and labels, the names less `root`."""

    root: pathlib.Path
    paths: np.ndarray
    labels: np.ndarray

    def select(self, numbers: np.ndarray) -> "FileImages":
        """See `making.Images`."""
        return FileImages(self.root, self.paths[numbers], self.labels[numbers])

    def read(self) -> Iterator[making.RawImage]:
        """See `making.Images`."""
        for file, label in zip(self.paths, self.labels, strict=True):
            path = pathlib.Path(file)
            name = os.fsencode(path.relative_to(self.root))
            encoded, error = b"", None
            try:
                encoded = path.read_bytes()
            except OSError as reason:
                error = str(reason.strerror)
            yield making.RawImage(
                name.decode(errors="replace"), encoded, int(label), error
            )


@dataclasses.dataclass(frozen=True)
class NamedImages:
    """Images of a split of tensorflow-datasets; the numbers ascend."""

    task_name: str
    data_dir: str | None
    split: str
    numbers: np.ndarray

    def select(self, numbers: np.ndarray) -> "NamedImages":
        """See `making.Images`."""
        return dataclasses.replace(self, numbers=self.numbers[numbers])

    def read(self) -> Iterator[making.RawImage]:
        """See `making.Images`."""
        from noisy_student.data import tfds_source  # slow to import

        first, last = int(self.numbers[0]), int(self.numbers[-1])
        source = tfds_source.open_split(
            tfds_source.open_builder(self.task_name, self.data_dir),
            f"{self.split}[{first}:{last + 1}]",
            "split",
            in_order=True,  # what is counted below is the image's number
        )
        wanted = set(self.numbers.tolist())
        for example in source.read().as_numpy_iterator():
            number = first + int(example["index"])
            if number in wanted:
                yield making.RawImage(
                    f"{self.task_name}/{self.split}/{number:08d}",
                    example["encoded"],
                    int(example["label"]),
                )


@dataclasses.dataclass(frozen=True)
class Part:
    """A split to make.

    Attributes:
        prefix: of its files.
        images: all of them.
        numbers: int (images,), their order in the files.
        fingerprint: of the images, to see that they stay the same.
    """

    prefix: str
    images: making.Images
    numbers: np.ndarray
    fingerprint: str


def of_folders(
    root: pathlib.Path, splits: tuple[str, ...] | None, seed: int
) -> tuple[list[Part], tuple[str, ...] | None]:
    """The splits of a directory of folders, and the classes.

    Args:
        root: the directory.
        splits: those to make; None is all.
        seed: of the labelled images' order.

    Raises:
        ValueError: there are no such splits, or no images in them.
    """
    if not root.is_dir():
        raise ValueError(f"input_dir: there is no directory {root}.")
    image_set = folder_source.ImageFolders([root])
    chosen = _chosen_folders(splits, image_set)
    labeled = [
        split
        for split in chosen
        if split not in (WHOLE, *folder_source.UNLABELED_SPLITS)
    ]
    classes = None
    if labeled:
        names = image_set.class_names(
            ["train"] if "train" in labeled else labeled
        )
        classes = Classes(len(names), names)
        folder_source.check_strays(image_set, labeled, classes)
    parts = [
        _folder_part(
            image_set, root, split, classes if split in labeled else None, seed
        )
        for split in chosen
    ]
    return parts, classes.names if classes else None


def _chosen_folders(
    splits: tuple[str, ...] | None, image_set: folder_source.ImageFolders
) -> list[str]:
    """The splits to make; without a known one, all is a heap of images."""
    names = image_set.split_names()
    if splits is None:
        known = {"train", "validation", "test", *folder_source.UNLABELED_SPLITS}
        return names if known & set(names) else [WHOLE]
    unknown = [split for split in splits if split not in names]
    if unknown:
        raise ValueError(
            f"splits must be among those of {image_set.name}: "
            f"{', '.join(names)}; got {', '.join(unknown)}."
        )
    return list(splits)


def _folder_part(
    image_set: folder_source.ImageFolders,
    root: pathlib.Path,
    split: str,
    classes: Classes | None,
    seed: int,
) -> Part:
    """One split of a folder; labelled where there are classes."""
    size = image_set.num_images(split)
    if size == 0:
        where = root / split / ("CLASS" if classes else "")
        raise ValueError(
            f"There are no images in {where}; their names must end in one of "
            f"{' '.join(image_files.EXTENSIONS)}."
        )
    source = image_set.source(
        [Span(split, 0, size)], classes, split, classes is not None
    )
    images = FileImages(root, source.paths, source.known_labels)
    numbers = np.arange(size)
    if classes is not None:
        numbers = np.random.default_rng(seed).permutation(size)
    digest = hashlib.sha256(numbers.tobytes())
    for path, label in zip(source.paths, source.known_labels, strict=True):
        name = os.fsencode(os.path.relpath(path, root))
        digest.update(name + b"\0%d\0" % label)
    prefix = UNLABELED_PREFIX if split == WHOLE else split
    return Part(prefix, images, numbers, f"{size}, {digest.hexdigest()[:16]}")


def of_named(
    name: str, data_dir: str | None, splits: tuple[str, ...] | None
) -> tuple[list[Part], tuple[str, ...]]:
    """The splits of a tensorflow-datasets name, and the classes.

    Args:
        name: in tensorflow-datasets.
        data_dir: where it keeps its data.
        splits: those to make; None is all.

    Raises:
        ValueError: the name or a split is unknown.
    """
    from noisy_student.data import tfds_source  # slow to import

    builder = tfds_source.open_builder(name, data_dir)
    if builder.info.disable_shuffling:
        logging.warning(
            "%s is not shuffled, and its order is kept: a file may have few "
            "of the classes.",
            name,
        )
    parts = [
        named_part(name, data_dir, split)
        for split in splits or tuple(builder.info.splits)
    ]
    return parts, tuple(builder.info.features["label"].names)


def named_part(
    name: str,
    data_dir: str | None,
    split: str,
    prefix: str | None = None,
    numbers: np.ndarray | None = None,
) -> Part:
    """One split of a tensorflow-datasets name.

    Args:
        name: in tensorflow-datasets.
        data_dir: where it keeps its data.
        split: a whole split.
        prefix: of the files; None is the split.
        numbers: int (images,), ascending: which images; None is all.

    Raises:
        ValueError: the name or the split is unknown.
    """
    from noisy_student.data import tfds_source  # slow to import

    builder = tfds_source.open_builder(name, data_dir)
    if split not in builder.info.splits:
        raise ValueError(
            f"splits must be among those of {name}: "
            f"{', '.join(builder.info.splits)}; got {split}."
        )
    size = builder.info.splits[split].num_examples
    if numbers is None:
        numbers = np.arange(size)
    digest = hashlib.sha256(numbers.tobytes()).hexdigest()
    return Part(
        prefix or split,
        NamedImages(name, data_dir, split, np.arange(size)),
        numbers,
        f"{len(numbers)} of {name}:{builder.version} {split}, {digest[:16]}",
    )

"""Folders of image files as sources: SPLIT/CLASS/*.jpg, or just images.

Files are read when their turn comes. Order is by directory, then class, then
path, so that it never changes.
"""

import dataclasses
import functools
import os
import pathlib
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from absl import logging

from noisy_student.data import image_files, sources
from noisy_student.data.image_set import (
    WHOLE,
    Classes,
    DirectorySource,
    Span,
)

UNLABELED_SPLITS = ("extra", "unlabelled", "unlabeled")
_MAX_NAMES = 10  # of folders in a message


@dataclasses.dataclass(frozen=True)
class FileSource(DirectorySource):
    """Image files.

    Attributes:
        paths: str (images,).
        known_labels: int64 (images,).
        index: int64 (images,), ascending.
    """

    paths: np.ndarray
    known_labels: np.ndarray
    index: np.ndarray

    @classmethod
    def of(
        cls,
        paths: np.ndarray,
        known_labels: np.ndarray,
        index: np.ndarray,
        name: str,
    ) -> "FileSource":
        """The source of these files."""

        def read() -> tf.data.Dataset:
            dataset = tf.data.Dataset.from_tensor_slices(
                (_tensor(paths), known_labels, index)
            )
            return dataset.map(_read, num_parallel_calls=tf.data.AUTOTUNE)

        return cls(len(paths), read, name, paths, known_labels, index)

    def shard(self, index: int, count: int) -> sources.ImageSource:
        """Every `count`-th file; the others are not read."""
        return self._at(slice(index, None, count))

    def subset(self, mask: np.ndarray) -> sources.ImageSource:
        """The files where the mask holds; the others are not read."""
        return self._at(mask)

    def labels(self) -> np.ndarray:
        """See the base class; reads nothing."""
        return self.known_labels

    def describe(self, index: tf.Tensor) -> tf.Tensor:
        """The path."""
        with tf.init_scope():  # too large for a graph
            paths, numbers = _tensor(self.paths), tf.constant(self.index)
        return paths[tf.searchsorted(numbers, [index])[0]]

    def sizes(self, numbers: np.ndarray) -> list[tuple[int, int] | None]:
        """See the base class."""
        return [image_files.size(path) for path in self.paths[numbers]]

    def _at(self, places: slice | np.ndarray) -> "FileSource":
        return self.of(
            self.paths[places],
            self.known_labels[places],
            self.index[places],
            self.name,
        )


# AutoGraph would warn that it cannot translate Python's fsencode.
@tf.autograph.experimental.do_not_convert
def _tensor(paths: np.ndarray) -> tf.Tensor:
    """Paths as the system has them, whatever their encoding."""
    return tf.constant([os.fsencode(path) for path in paths], tf.string)


def _read(path: tf.Tensor, label: tf.Tensor, index: tf.Tensor):
    encoded = tf.io.read_file(path)
    # Only JPEGs are turned, and Python is slow.
    encoded = tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: tf.numpy_function(
            image_files.upright, [encoded], tf.string, stateful=False
        ),
        lambda: encoded,
    )
    encoded = tf.ensure_shape(encoded, [])
    return {"encoded": encoded, "label": label, "index": index}


class _Split(NamedTuple):
    """The files of a split; `folders` has each one's class folder, or ""."""

    paths: np.ndarray
    folders: np.ndarray


class ImageFolders:
    """Directories with a folder a split; a split is all their folders of it.

    Attributes:
        name: of the directories, for messages.
    """

    def __init__(self, directories: list[pathlib.Path]) -> None:
        self.name = ";".join(map(str, directories))
        self._directories = directories
        # Listed once each, with one warning.
        self._unlabeled = functools.cache(self._list_unlabeled)
        self._labeled = functools.cache(self._list_labeled)
        self._labeled_splits: set[str] = set()

    def split_names(self) -> list[str]:
        """The folders of the directories."""
        names = (name for path in self._directories for name in folders(path))
        return list(dict.fromkeys(names))

    def unlabeled_split(self) -> str:
        """The folder of unlabelled images, or all there is."""
        names = self.split_names()
        return next((n for n in UNLABELED_SPLITS if n in names), WHOLE)

    def num_images(self, split: str) -> int:
        """How many image files a split has."""
        return len(self._files(split).paths)

    def class_names(self, labeled: list[str]) -> tuple[str, ...]:
        """The class folders of labelled splits, sorted.

        From here on these splits are their classes' images.
        """
        self._labeled_splits.update(labeled)
        names: set[str] = set()
        for split in labeled:
            for path in self._directories:
                names.update(folders(path / split))
        return tuple(sorted(names))

    def source(
        self,
        spans: list[Span],
        classes: Classes | None,
        name: str,
        labeled: bool,
    ) -> FileSource:
        """The images of some spans; see `ImageSet`."""
        parts = [
            _Split(*(column[s.start : s.stop] for column in self._files(s[0])))
            for s in spans
        ]
        paths = np.concatenate([part.paths for part in parts])
        found = np.concatenate([part.folders for part in parts])
        names = (classes and classes.names) or ()
        number = {name: i for i, name in enumerate(names)}
        labels = np.array([number.get(name, -1) for name in found], np.int64)
        assert not (labeled and (labels < 0).any())  # `check_strays` passed
        return FileSource.of(paths, labels, np.arange(len(paths)), name)

    def _files(self, split: str) -> _Split:
        if split in self._labeled_splits:
            return self._labeled(split)
        return self._unlabeled(split)

    def _list_unlabeled(self, split: str) -> _Split:
        found = [image_files.find(path / split) for path in self._directories]
        name = f"{self.name} {split}"
        image_files.warn_of_others([p for f in found for p in f[1]], name)
        paths = np.array([p for f in found for p in f[0]], object)
        return _Split(paths, np.full(len(paths), "", object))

    def _list_labeled(self, split: str) -> _Split:
        paths: list[str] = []
        classes: list[str] = []
        others: list[str] = []
        loose: list[str] = []
        empty: list[str] = []
        for directory in self._directories:
            beside = _loose_files(directory / split)
            loose += beside[0]
            others += beside[1]
            for name in folders(directory / split):
                images, ignored = image_files.find(directory / split / name)
                paths += images
                classes += [name] * len(images)
                others += ignored
                empty += [] if images else [str(directory / split / name)]
        image_files.warn_of_others(others, f"{self.name} {split}")
        if empty:
            logging.warning(
                "These class folders hold no images: %s.", _joined(empty)
            )
        if loose:
            self._tell_of_loose_images(split, loose, bool(paths))
        return _Split(np.array(paths, object), np.array(classes, object))

    def _tell_of_loose_images(
        self, split: str, loose: list[str], has_others: bool
    ) -> None:
        """Warns of images that have no class, or refuses a split of them."""
        text = (
            f"The images of {split} in {self.name} must lie in class folders, "
            f"{split}/CLASS/*.jpg; {len(loose)} lie beside them"
        )
        if not has_others:
            raise ValueError(f"{text}, such as {loose[0]}, and none in one.")
        logging.warning("%s and are ignored: %s.", text, _joined(loose))


def folders(directory: pathlib.Path) -> list[str]:
    """The folders in a directory, hidden ones apart, sorted."""
    if not directory.is_dir():
        return []
    return sorted(
        path.name
        for path in directory.iterdir()
        if path.is_dir() and not image_files.is_hidden(path.name)
    )


def _loose_files(directory: pathlib.Path) -> tuple[list[str], list[str]]:
    """Images, and others, beside the class folders, which have no class."""
    images: list[str] = []
    others: list[str] = []
    for path in sorted(directory.iterdir()) if directory.is_dir() else ():
        if path.is_file() and not image_files.is_hidden(path.name):
            is_image = image_files.is_image(path.name)
            (images if is_image else others).append(str(path))
    return images, others


def check_strays(
    image_set: ImageFolders, splits: list[str], classes: Classes
) -> None:
    """Refuses class folders of splits that are none of the classes.

    Raises:
        ValueError: naming them.
    """
    names = image_set.class_names(splits)
    strays = [name for name in names if name not in (classes.names or ())]
    if strays:
        raise ValueError(
            f"The classes of {' and '.join(splits)} in {image_set.name} must "
            f"be among those of the labelled images; {_joined(strays)} "
            "are not. Rename or remove these folders."
        )


def _joined(names: list[str]) -> str:
    more = len(names) - _MAX_NAMES
    others = f" and {more} others" if more > 0 else ""
    return ", ".join(names[:_MAX_NAMES]) + others

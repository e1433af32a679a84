"""Folders of image files as sources: SPLIT/CLASS/*.jpg, or just images.

Files are read when their turn comes. They are ordered by directory, class and
path, so the order never changes.
"""

import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from absl import logging
from etils import epath

from noisy_student.config.paths import is_remote, to_path
from noisy_student.data import image_files, reading
from noisy_student.data.copies import Copies, copies_for, read_any
from noisy_student.data.order import Blocks
from noisy_student.data.sources import RandomAccessSource, Span
from noisy_student.errors import listed
from noisy_student.files import remote

UNLABELED_SPLITS = ("extra", "unlabelled", "unlabeled")


@dataclasses.dataclass(frozen=True)
class FileSource(RandomAccessSource):
    """Image files.

    Attributes:
        paths: str (images,).
        known_labels: int64 (images,), see `ImageSource.read`.
        index: int64 (images,), ascending.
        copies: Are read in place of the files, where these are large.
    """

    paths: np.ndarray
    known_labels: np.ndarray
    index: np.ndarray
    copies: Copies | None = None

    @classmethod
    def from_files(
        cls,
        paths: np.ndarray,
        labels: np.ndarray,
        index: np.ndarray,
        name: str,
        copies: Copies | None = None,
    ) -> "FileSource":
        """Returns a source with these attributes."""

        def read() -> tf.data.Dataset:
            return source.read_at(tf.data.Dataset.range(len(paths)))

        source = cls(
            len(paths), read, name, paths, labels, index, copies, exif=True
        )
        return source

    def read_at(self, places: tf.data.Dataset) -> tf.data.Dataset:
        """Returns the dataset of `read`, or that of some places, int64 ()."""
        # As the system has them, whatever their encoding.
        encoded = [os.fsencode(path) for path in self.paths]
        names = tf.constant(encoded, tf.string)
        content = self._reader()

        @tf.autograph.experimental.do_not_convert
        def read(place: tf.Tensor) -> dict:
            path = tf.gather(names, place)
            return {
                "encoded": content(path),
                "label": tf.gather(self.known_labels, place),
                "index": tf.gather(self.index, place),
                "record": path,
            }

        return reading.several_at_once(places, read)

    def _reader(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """Returns what reads a file, string () of string ()."""
        if self.copies is not None:
            return self.copies.read
        if not any(map(image_files.is_foreign, self.paths)):
            return tf.io.read_file

        def content(path: tf.Tensor) -> tf.Tensor:
            return tf.cond(
                tf.strings.regex_full_match(path, image_files.FOREIGN),
                lambda: read_any(path),
                lambda: tf.io.read_file(path),
            )

        return content

    def blocks(self) -> Blocks:
        """See `ImageSource`; each file is a block."""
        return Blocks(
            np.ones(len(self.paths), np.int64),
            self.read_at,
            lambda places, examples: examples,
        )

    def at(self, places: np.ndarray) -> "FileSource":
        """See `RandomAccessSource`."""
        return self.from_files(
            self.paths[places],
            self.known_labels[places],
            self.index[places],
            self.name,
            self.copies,
        )

    def in_memory(self, side: int, max_bytes: int) -> "FileSource":
        """See `ImageSource`; small copies are kept."""
        copies = copies_for(self.num_images, side, max_bytes)
        return dataclasses.replace(self, copies=copies).at(
            np.arange(self.num_images)
        )

    def with_labels(self, labels: np.ndarray) -> "FileSource":
        """See `ImageSource`."""
        return self.from_files(
            self.paths, labels, self.index, self.name, self.copies
        )

    def labels(self) -> np.ndarray:
        """Returns the labels, int64 (images,), without reading a file."""
        return self.known_labels

    def sizes(self, places: np.ndarray) -> list[tuple[int, int] | None]:
        """Returns width and height of the images at some places.

        Args:
            places: int (n,), ascending.

        Returns:
            A pair for each; None where a header is broken.

        Raises:
            InputError: An image is too large; see `image_files.size`.
        """
        return [_size(path) for path in self.paths[places]]


def _size(path: str) -> tuple[int, int] | None:
    if not is_remote(path):
        return image_files.size(path, path)
    with remote.open_binary(to_path(path)) as file:
        return image_files.size(file, path)


class Split(NamedTuple):
    """The files of a split, and the class folder of each, or ""."""

    paths: np.ndarray
    folders: np.ndarray


class ImageFolders:
    """Directories with one folder per split, as an `ImageSet`.

    A split consists of the folders of that name in all directories.

    Attributes:
        name: The directories, joined with `;`, for messages.
        class_names: The classes of the labelled splits; see `read_classes`.
    """

    def __init__(self, directories: list[epath.Path]) -> None:
        self.name = ";".join(map(str, directories))
        self.class_names: tuple[str, ...] = ()
        self._directories = directories
        self._labeled_splits: set[str] = set()
        self._listed: dict[tuple[str, bool], Split] = {}

    def read_classes(self, splits: Sequence[str]) -> None:
        """Takes the class folders of labelled splits as the classes, sorted.

        Afterwards these splits consist of the images in class folders.
        """
        self.class_names = tuple(sorted(self._class_folders(splits)))

    def check_classes(self, splits: Sequence[str]) -> None:
        """Checks the class folders of more labelled splits; as above.

        Raises:
            ValueError: A folder is none of the classes.
        """
        found = self._class_folders(splits)
        strays = sorted(found - {*self.class_names})
        if lacking := sorted({*self.class_names} - found):
            logging.warning(
                "%s in %s has no images of the classes %s.",
                " and ".join(splits),
                self.name,
                listed(lacking),
            )
        if strays:
            raise ValueError(
                f"The classes of {' and '.join(splits)} in {self.name} must "
                f"be among those of the labelled images; {listed(strays)} "
                "are not. Rename or remove these folders."
            )

    def _class_folders(self, splits: Sequence[str]) -> set[str]:
        self._labeled_splits.update(splits)
        roots = [path / split for split in splits for path in self._directories]
        return {name for root in roots for name in _folders(root)}

    def split_names(self) -> list[str]:
        """Returns the folders of the directories."""
        names = (name for path in self._directories for name in _folders(path))
        return list(dict.fromkeys(names))

    def shard_sizes(self, split: str) -> list[int]:
        """Returns the number of image files in a split."""
        return [len(self._files(split).paths)]

    def source(
        self, spans: list[Span], name: str, num_classes: int | None = None
    ) -> FileSource:
        """See `ImageSet`; labels are known in labelled splits."""
        del num_classes  # folders have no other labels than the classes
        files = [
            Split(*(column[s.start : s.stop] for column in self._files(s[0])))
            for s in spans
        ]
        paths = np.concatenate([split.paths for split in files])
        found = np.concatenate([split.folders for split in files])
        labels = {name: label for label, name in enumerate(self.class_names)}
        known = np.array([labels.get(name, -1) for name in found], np.int64)
        return FileSource.from_files(paths, known, np.arange(len(paths)), name)

    def _files(self, split: str) -> Split:
        """Returns the files of a split, listed once, with one warning."""
        labeled = split in self._labeled_splits
        if (split, labeled) not in self._listed:
            list_files = self._list_labeled if labeled else self._list_unlabeled
            self._listed[split, labeled] = list_files(split)
        return self._listed[split, labeled]

    def _list_unlabeled(self, split: str) -> Split:
        found = [image_files.find(path / split) for path in self._directories]
        name = f"{self.name} {split}"
        image_files.warn_of_others([p for f in found for p in f[1]], name)
        paths = np.array([p for f in found for p in f[0]], object)
        return Split(paths, np.full(len(paths), "", object))

    def _list_labeled(self, split: str) -> Split:
        paths: list[str] = []
        classes: list[str] = []
        others: list[str] = []
        loose: list[str] = []
        empty: list[str] = []
        for root in [directory / split for directory in self._directories]:
            for name in _visible(remote.listing(root)[1]):
                beside = loose if image_files.is_image(name) else others
                beside.append(str(root / name))
            for name in _folders(root):
                images, ignored = image_files.find(root / name)
                paths += images
                classes += [name] * len(images)
                others += ignored
                empty += [] if images else [str(root / name)]
        image_files.warn_of_others(others, f"{self.name} {split}")
        if empty:
            logging.warning(
                "These class folders hold no images: %s.", listed(empty)
            )
        if loose:
            self._tell_of_loose_images(split, loose, bool(paths))
        return Split(np.array(paths, object), np.array(classes, object))

    def _tell_of_loose_images(
        self, split: str, loose: list[str], has_others: bool
    ) -> None:
        """Warns of images without a class, or refuses a split of them."""
        text = (
            f"The images of {split} in {self.name} must lie in class folders, "
            f"{split}/CLASS/*.jpg; {len(loose)} lie beside them"
        )
        if not has_others:
            raise ValueError(f"{text}, such as {loose[0]}, and none in one.")
        logging.warning("%s and are ignored: %s.", text, listed(loose))


def _visible(names: list[str]) -> list[str]:
    return [name for name in names if not image_files.is_hidden(name)]


def _folders(directory: epath.Path) -> list[str]:
    return _visible(remote.listing(directory)[0])

"""Directories of TFRecords as sources of images.

The files of a split, `train-00000-of-00128` and so on, are its images in
order. Where the files divide by the shards that are asked for, a shard reads
its own files alone, so that 128 shards of a large set cost one pass.
"""

import dataclasses
import io
import pathlib
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from noisy_student.data import (
    decoding,
    image_files,
    record_files,
    records,
    sources,
)
from noisy_student.data.image_set import Classes, DirectorySource, Span
from noisy_student.files.run_directory import CLASSES_FILE

_BATCH = 32  # records parsed at a time


class FileSpan(NamedTuple):
    """`number` records of a file from the `first` on."""

    path: str
    first: int
    number: int


@dataclasses.dataclass(frozen=True)
class RecordSource(DirectorySource):
    """Images in record files.

    Attributes:
        files: in order.
        num_classes: bound of the labels; None where any, or none, is good.
    """

    files: tuple[FileSpan, ...]
    num_classes: int | None

    @classmethod
    def of(
        cls, files: tuple[FileSpan, ...], num_classes: int | None, name: str
    ) -> "RecordSource":
        """The source of these files."""
        return cls(
            sum(file.number for file in files),
            lambda: _read(files, num_classes, _BATCH).unbatch(),
            name,
            files,
            num_classes,
            record_paths=tuple(file.path for file in files),
        )

    def read_batches(self, size: int) -> tf.data.Dataset:
        """See the base class; parses whole batches."""
        return _read(self.files, self.num_classes, size)

    def shard(self, index: int, count: int) -> sources.ImageSource:
        """Whole files where they divide evenly, or else images."""
        if len(self.files) % count:
            return super().shard(index, count)
        return self.of(self.files[index::count], self.num_classes, self.name)

    def labels(self) -> np.ndarray:
        """See the base class; the errors of broken records are for people."""
        with decoding.input_errors(self.record_paths):
            return super().labels()

    def sizes(self, numbers: np.ndarray) -> list[tuple[int, int] | None]:
        """See the base class; reads no other records."""
        offsets = _offsets(self.files)
        places = np.searchsorted(offsets, numbers, "right") - 1
        sizes: list[tuple[int, int] | None] = []
        for place in np.unique(places):
            file = self.files[place]
            own = numbers[places == place] - offsets[place] + file.first
            data = record_files.read_at(pathlib.Path(file.path), own)
            with decoding.input_errors():
                parsed = records.parse_images(tf.constant(data))
            sizes += [
                image_files.size(io.BytesIO(encoded))
                for encoded in parsed["encoded"].numpy()
            ]
        return sizes

    def describe(self, index: tf.Tensor) -> tf.Tensor:
        """`record 5 of PATH`."""
        return _describe(self.files, index[tf.newaxis])[0]


def _read(
    files: tuple[FileSpan, ...], num_classes: int | None, batch_size: int
) -> tf.data.Dataset:
    """The dataset of `ImageSource.read_batches`."""

    def read_file(
        path: tf.Tensor, first: tf.Tensor, number: tf.Tensor
    ) -> tf.data.Dataset:
        return tf.data.TFRecordDataset(path).skip(first).take(number)

    def parse(batch: tf.Tensor, serialized: tf.Tensor) -> dict:
        example = records.parse_images(serialized)
        size = tf.size(serialized, out_type=tf.int64)
        index = batch * batch_size + tf.range(size)
        if num_classes is not None:
            decoding.refuse_labels(
                _describe(files, index), example["label"], num_classes
            )
        return example | {"index": index}

    spans = (
        [file.path for file in files],
        np.array([file.first for file in files], np.int64),
        np.array([file.number for file in files], np.int64),
    )
    return (
        tf.data.Dataset.from_tensor_slices(spans)
        .flat_map(read_file)
        .batch(batch_size)
        .enumerate()
        .map(parse)
    )


def _describe(files: tuple[FileSpan, ...], index: tf.Tensor) -> tf.Tensor:
    """The names, string (images,), of some images, int64 (images,)."""
    offsets = tf.constant(_offsets(files))
    place = tf.searchsorted(offsets, index, "right") - 1
    paths = tf.constant([file.path for file in files])
    firsts = tf.constant([file.first for file in files], tf.int64)
    number = tf.gather(firsts, place) + index - tf.gather(offsets, place)
    number = tf.strings.as_string(number)
    return tf.strings.join(["record ", number, " of ", tf.gather(paths, place)])


def _offsets(files: tuple[FileSpan, ...]) -> np.ndarray:
    """How many images precede each file's."""
    counts = np.array([file.number for file in files], np.int64)
    return np.cumsum(counts) - counts


def from_files(paths: list[str], name: str) -> RecordSource:
    """The images of some record files, whatever else the records hold."""
    numbers = record_files.count([pathlib.Path(path) for path in paths])
    spans = [
        FileSpan(path, 0, number)
        for path, number in zip(paths, numbers, strict=True)
    ]
    return RecordSource.of(tuple(spans), None, name)


class RecordDirectories:
    """The record files of some directories; a split is all their files of it.

    Attributes:
        name: of the directories, for messages.
    """

    def __init__(self, directories: list[pathlib.Path]) -> None:
        """Lists the files.

        Raises:
            ValueError: a set of files is not complete.
        """
        self.name = ";".join(map(str, directories))
        self._directories = directories
        self._found = [record_files.find(path) for path in directories]
        self._files: dict[str, list[FileSpan]] = {}  # counted

    def split_names(self) -> list[str]:
        """The prefixes of the files."""
        return list(dict.fromkeys(name for d in self._found for name in d))

    def unlabeled_split(self) -> str | None:
        """The only prefix, where there is one."""
        names = self.split_names()
        return names[0] if len(names) == 1 else None

    def num_images(self, split: str) -> int:
        """How many whole records a split has."""
        return sum(file.number for file in self._counted(split))

    def class_names(self, labeled: list[str]) -> tuple[str, ...] | None:
        """What `classes.txt` says, if it is there.

        Raises:
            ValueError: the directories' files differ.
        """
        paths = [path / CLASSES_FILE for path in self._directories]
        lists = [_read_names(path) for path in paths if path.exists()]
        if any(names != lists[0] for names in lists):
            raise ValueError(
                f"{CLASSES_FILE} must be the same in all of {self.name}."
            )
        return lists[0] if lists else None

    def source(
        self,
        spans: list[Span],
        classes: Classes | None,
        name: str,
        labeled: bool,
    ) -> RecordSource:
        """The images of some spans; see `ImageSet.source`."""
        files = [part for span in spans for part in self._cut(span)]
        count = classes.number if classes and labeled else None
        return RecordSource.of(tuple(files), count, name)

    def _counted(self, split: str) -> list[FileSpan]:
        if split not in self._files:
            self._files[split] = [
                FileSpan(str(path), 0, count)
                for found in self._found
                if split in found
                for path, count in zip(
                    found[split], record_files.count(found[split]), strict=True
                )
            ]
        return self._files[split]

    def _cut(self, span: Span) -> list[FileSpan]:
        """The files of a span, the first and last in part."""
        files = self._counted(span.split)
        if (span.start, span.stop) == (0, self.num_images(span.split)):
            return files  # the empty ones too, for the sake of shards
        parts = []
        for file, offset in zip(files, _offsets(tuple(files)), strict=True):
            first = max(span.start - int(offset), 0)
            last = min(span.stop - int(offset), file.number)
            if last > first:
                parts.append(FileSpan(file.path, first, last - first))
        return parts


def _read_names(path: pathlib.Path) -> tuple[str, ...]:
    """The lines of `classes.txt`."""
    names = tuple(path.read_text(encoding="utf-8").split("\n"))
    return names[:-1] if names[-1] == "" else names

"""Directories of TFRecords as sources of images.

The files of a split, `train-00000-of-00128` and so on, hold its images in
order. If the number of shards asked for divides the number of files, a shard
reads only its own files, so 128 shards of a large set cost one pass.
"""

import dataclasses
import functools
import io
import os
import pathlib
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from noisy_student.data import decoding, image_files, record_files, records
from noisy_student.data.sources import ImageSource, Span, nearly_equal
from noisy_student.files.run_directory import CLASSES_FILE

_BATCH = 32  # records parsed at a time


class FileSpan(NamedTuple):
    """`number` records of a file, starting with record `first`."""

    path: str
    first: int
    number: int


@dataclasses.dataclass(frozen=True)
class RecordSource(ImageSource):
    """Images in record files.

    Attributes:
        files: The files in order.
        num_classes: Labels must be below it; None allows any label and none.
    """

    files: tuple[FileSpan, ...]
    num_classes: int | None

    @classmethod
    def from_spans(
        cls, files: tuple[FileSpan, ...], num_classes: int | None, name: str
    ) -> "RecordSource":
        """Returns a source with these attributes."""
        return cls(
            sum(file.number for file in files),
            lambda: _read(files, num_classes, _BATCH, named=True).unbatch(),
            name,
            files,
            num_classes,
            record_paths=tuple(file.path for file in files),
        )

    def read_batches(self, size: int) -> tf.data.Dataset:
        """See `ImageSource`; parses whole batches and names no image."""
        return _read(self.files, self.num_classes, size, named=False)

    def shard(self, index: int, count: int) -> ImageSource:
        """Returns every `count`-th file if these divide evenly, or image."""
        if len(self.files) % count:
            return super().shard(index, count)
        files = self.files[index::count]
        return self.from_spans(files, self.num_classes, self.name)

    def labels(self) -> np.ndarray:
        """Returns the labels of all images, int64 (images,).

        Raises:
            InputError: A record is broken or has no valid label.
        """
        with decoding.input_errors(self.record_paths):
            return super().labels()

    def sizes(self, places: np.ndarray) -> list[tuple[int, int] | None]:
        """Returns width and height of the images at some places.

        Args:
            places: int (n,), ascending. No other records are read.

        Returns:
            A pair for each; None where a header is broken.

        Raises:
            InputError: A record holds no image, or one that is too large.
        """
        offsets = _offsets(self.files)
        file_of_place = np.searchsorted(offsets, places, "right") - 1
        sizes: list[tuple[int, int] | None] = []
        for i in np.unique(file_of_place):
            path, first, _ = self.files[i]
            numbers = places[file_of_place == i] - offsets[i] + first
            data = record_files.read_at(pathlib.Path(path), numbers)
            with decoding.input_errors():
                parsed = records.parse_images(tf.constant(data))
            sizes += [
                image_files.size(
                    io.BytesIO(encoded), f"record {number} of {path}"
                )
                for number, encoded in zip(
                    numbers, parsed["encoded"].numpy(), strict=True
                )
            ]
        return sizes


@dataclasses.dataclass(frozen=True)
class PseudoLabeledSource(ImageSource):
    """Images with a teacher's labels and `probabilities` in record files."""

    num_classes: int

    @classmethod
    def from_files(
        cls, paths: list[str], num_records: int, num_classes: int
    ) -> "PseudoLabeledSource":
        """Returns the source of some files.

        Args:
            paths: The files.
            num_records: The number of records in all of them.
            num_classes: The size of the probabilities.
        """
        paths = sorted(paths)
        return cls(
            num_records,
            functools.partial(records.read_pseudo_labeled, paths, num_classes),
            "the pseudo-labelled records",
            num_classes,
            record_paths=tuple(paths),
        )

    def worker_part(self, index: int, count: int) -> ImageSource:
        """See `ImageSource`; own files if all workers' are equally large."""
        paths = list(self.record_paths)
        sizes = [
            sum(map(os.path.getsize, paths[i::count])) for i in range(count)
        ]
        if count == 1 or not nearly_equal(sizes):
            return self.stride(index, count)
        paths = paths[index::count]
        numbers = record_files.count([pathlib.Path(path) for path in paths])
        return self.from_files(paths, sum(numbers), self.num_classes)


def _read(
    files: tuple[FileSpan, ...],
    num_classes: int | None,
    batch_size: int,
    named: bool,
) -> tf.data.Dataset:
    """Returns the dataset of `ImageSource.read_batches`.

    Names cost time: `record` is there only if `named`.
    """

    def read_file(
        path: tf.Tensor, first: tf.Tensor, number: tf.Tensor
    ) -> tf.data.Dataset:
        return tf.data.TFRecordDataset(path).skip(first).take(number)

    def parse(batch: tf.Tensor, serialized: tf.Tensor) -> dict:
        example = records.parse_images(serialized)
        size = tf.size(serialized, out_type=tf.int64)
        index = batch * batch_size + tf.range(size)
        example["index"] = index
        if named or num_classes is not None:
            example["record"] = _names(files, index)
        if num_classes is not None:
            decoding.refuse_labels(
                example["record"], example["label"], num_classes
            )
        return example

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


def _names(files: tuple[FileSpan, ...], index: tf.Tensor) -> tf.Tensor:
    """Returns the names, string (images,), of images by index, int64."""
    offsets = tf.constant(_offsets(files))
    place = tf.searchsorted(offsets, index, "right") - 1
    paths = tf.constant([file.path for file in files])
    firsts = tf.constant([file.first for file in files], tf.int64)
    number = tf.gather(firsts, place) + index - tf.gather(offsets, place)
    number = tf.strings.as_string(number)
    return tf.strings.join(["record ", number, " of ", tf.gather(paths, place)])


def _offsets(files: tuple[FileSpan, ...]) -> np.ndarray:
    """Returns how many images precede those of each file, int64 (files,)."""
    counts = np.array([file.number for file in files], np.int64)
    return np.cumsum(counts) - counts


def _count(paths: list[pathlib.Path]) -> list[FileSpan]:
    numbers = record_files.count(paths)
    return [
        FileSpan(str(path), 0, number)
        for path, number in zip(paths, numbers, strict=True)
    ]


def from_files(paths: list[str], name: str) -> RecordSource:
    """Returns the images of record files, whatever else the records hold.

    Args:
        paths: The files in order.
        name: The source's name.

    Raises:
        InputError: A file is damaged.
    """
    files = _count([pathlib.Path(path) for path in paths])
    return RecordSource.from_spans(tuple(files), None, name)


class RecordDirectories:
    """The record files of directories, as an `ImageSet`.

    A split consists of the files of that prefix in all directories.

    Attributes:
        name: The directories, joined with `;`, for messages.
    """

    def __init__(self, directories: list[pathlib.Path]) -> None:
        """Lists the files.

        Raises:
            ValueError: A set of files is incomplete.
        """
        self.name = ";".join(map(str, directories))
        self._directories = directories
        self._found = [record_files.find(path) for path in directories]
        self._counted = functools.cache(self._count)

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The lines of `classes.txt`; None if there is no such file.

        Raises:
            ValueError: The directories have different ones.
        """
        paths = [path / CLASSES_FILE for path in self._directories]
        texts = {p.read_text(encoding="utf-8") for p in paths if p.exists()}
        lists = {tuple(text.removesuffix("\n").split("\n")) for text in texts}
        if len(lists) > 1:
            raise ValueError(
                f"{CLASSES_FILE} must be the same in all of {self.name}."
            )
        return lists.pop() if lists else None

    def split_names(self) -> list[str]:
        """Returns the prefixes of the files."""
        return list(dict.fromkeys(name for d in self._found for name in d))

    def keep_first_files(self, split: str, number: int) -> None:
        """Forgets all but the first files of a split, which are never read.

        Raises:
            ValueError: There are not so many.
        """
        total = sum(len(files.get(split, ())) for files in self._found)
        if number > total:
            raise ValueError(
                f"num_train_shards={number} is more than the {total} files of "
                f"{split} in {self.name}."
            )
        for files in self._found:
            if split in files:
                files[split] = files[split][:number]
                number -= len(files[split])

    def shard_sizes(self, split: str) -> list[int]:
        """Returns the number of whole records in each file of a split."""
        return [file.number for file in self._counted(split)]

    def source(
        self, spans: list[Span], name: str, num_classes: int | None = None
    ) -> RecordSource:
        """See `ImageSet`."""
        files = [file for span in spans for file in self._cut(span)]
        return RecordSource.from_spans(tuple(files), num_classes, name)

    def _count(self, split: str) -> list[FileSpan]:
        found = [files[split] for files in self._found if split in files]
        return [file for paths in found for file in _count(paths)]

    def _cut(self, span: Span) -> list[FileSpan]:
        """Returns the files of a span, the first and last perhaps in part."""
        files = self._counted(span.split)
        if (span.start, span.stop) == (0, sum(file.number for file in files)):
            return files  # empty ones too, because shards count files
        cut = []
        for file, offset in zip(files, _offsets(tuple(files)), strict=True):
            first = max(span.start - int(offset), 0)
            last = min(span.stop - int(offset), file.number)
            if last > first:
                cut.append(FileSpan(file.path, first, last - first))
        return cut

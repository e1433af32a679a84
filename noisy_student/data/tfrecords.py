"""Directories of TFRecords as sources of images.

The files of a split, `train-00000-of-00128` and so on, hold its images in
order. If the number of shards asked for divides the number of files, a shard
reads only its own files, so 128 shards of a large set cost one pass.
"""

import dataclasses
import functools
import io

import numpy as np
import tensorflow as tf
from etils import epath

from noisy_student.config.paths import to_path
from noisy_student.data import (
    decoding,
    image_files,
    order,
    record_blocks,
    record_files,
    record_offsets,
    records,
)
from noisy_student.data.record_blocks import FileSpan, RecordList
from noisy_student.data.sources import ImageSource, RandomAccessSource, Span
from noisy_student.files.run_directory import CLASSES_FILE, read_class_names

_BATCH = 32  # records parsed at a time


@dataclasses.dataclass(frozen=True)
class RecordSource(RandomAccessSource):
    """Images in record files.

    Attributes:
        files: The files in order.
        num_classes: Labels must be below it; None allows any label and none.
        chosen: Which of the files' records are the images, int64 (images,),
            ascending; no others are read. None is all of them.
        given_labels: int64 (images,), in place of those that the records have;
            None leaves these.
    """

    files: tuple[FileSpan, ...]
    num_classes: int | None
    chosen: np.ndarray | None = None
    given_labels: np.ndarray | None = None

    @classmethod
    def from_spans(
        cls,
        files: tuple[FileSpan, ...],
        num_classes: int | None,
        name: str,
        chosen: np.ndarray | None = None,
        given_labels: np.ndarray | None = None,
    ) -> "RecordSource":
        """Returns a source with these attributes."""
        number = sum(file.number for file in files)
        source = cls(
            number if chosen is None else len(chosen),
            lambda: source._read_batches(_BATCH, named=True).unbatch(),
            name,
            files,
            num_classes,
            chosen,
            given_labels,
            record_paths=tuple(file.path for file in files),
        )
        return source

    def read_batches(self, size: int) -> tf.data.Dataset:
        """See `ImageSource`; names no image, which costs time."""
        return self._read_batches(size, named=False)

    def _read_batches(self, size: int, named: bool) -> tf.data.Dataset:
        parse = functools.partial(self._parse, named=named)
        return order.in_order(record_blocks.runs(self._listed(), parse), size)

    def blocks(self) -> order.Blocks:
        """See `ImageSource`."""
        return record_blocks.blocks(self._listed(), self._parse)

    def _listed(self) -> RecordList:
        chosen = RecordList.from_spans(self.files).at(self.chosen)
        return chosen._replace(label=self.given_labels)

    def _parse(
        self,
        serialized: tf.Tensor,
        places: tf.Tensor,
        name: record_blocks.Name,
        named: bool = True,
    ) -> dict[str, tf.Tensor]:
        example = records.parse_images(serialized) | {"index": places}
        if named or self.num_classes is not None:
            example["record"] = name(places)
        if self.num_classes is not None:
            decoding.refuse_labels(
                example["record"], example["label"], self.num_classes
            )
        return example

    def shard(self, index: int, count: int) -> ImageSource:
        """Returns every `count`-th file if these divide evenly, or image."""
        if self.chosen is not None or len(self.files) % count:
            return super().shard(index, count)
        files, labels = self.files[index::count], self.given_labels
        if labels is not None:
            numbers = [file.number for file in self.files]
            file = np.repeat(np.arange(len(self.files)), numbers)
            labels = labels[file % count == index]
        return self.from_spans(
            files, self.num_classes, self.name, given_labels=labels
        )

    def at(self, places: np.ndarray) -> "RecordSource":
        """See `RandomAccessSource`."""
        labels = self.given_labels
        return self.from_spans(
            self.files,
            self.num_classes,
            self.name,
            places if self.chosen is None else self.chosen[places],
            None if labels is None else labels[places],
        )

    def with_labels(self, labels: np.ndarray) -> "RecordSource":
        """See `ImageSource`."""
        return self.from_spans(
            self.files, self.num_classes, self.name, self.chosen, labels
        )

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
        if self.chosen is not None:
            places = self.chosen[places]
        offsets = _offsets(self.files)
        file_of_place = np.searchsorted(offsets, places, "right") - 1
        sizes: list[tuple[int, int] | None] = []
        for i in np.unique(file_of_place):
            path, first, _ = self.files[i]
            numbers = places[file_of_place == i] - offsets[i] + first
            data = record_offsets.read_at(to_path(path), numbers)
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


def _offsets(files: tuple[FileSpan, ...]) -> np.ndarray:
    """Returns how many images precede those of each file, int64 (files,)."""
    counts = np.array([file.number for file in files], np.int64)
    return np.cumsum(counts) - counts


def from_files(paths: list[str], name: str) -> RecordSource:
    """Returns the images of record files, whatever else the records hold.

    Args:
        paths: The files in order.
        name: The source's name.

    Raises:
        InputError: A file is damaged.
    """
    files = tuple(record_blocks.whole_files(paths))
    return RecordSource.from_spans(files, None, name)


class RecordDirectories:
    """The record files of directories, as an `ImageSet`.

    A split consists of the files of that prefix in all directories.

    Attributes:
        name: The directories, joined with `;`, for messages.
    """

    def __init__(self, directories: list[epath.Path]) -> None:
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
        found = map(read_class_names, self._directories)
        lists = {names for names in found if names is not None}
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
        return [f for p in found for f in record_blocks.whole_files(p)]

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

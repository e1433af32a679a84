"""Records read in any order: blocks of neighbours, each found by its offset.

A block is read by one seek, and TensorFlow checks its records as it checks a
whole file's. In a bucket each takes a request, so that many are read at once;
their order is the same.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from etils import epath

from noisy_student.config.paths import is_remote, to_path
from noisy_student.data import record_files, record_offsets
from noisy_student.data.order import Blocks

# A seek and a reader for each record would cost more than the record; larger
# blocks would mix the classes of sorted files less.
_MAX_BLOCK = 8
_MIN_BLOCKS = 8192  # smaller sets have smaller blocks
_BUFFER = 2**20  # bytes read at a time
_BUCKET_BUFFER = 2**24  # the same of whole files in a bucket
_REQUESTS = 32  # blocks of a bucket that are asked for at once

Example = dict[str, tf.Tensor]
# From the places of images, int64 (batch,), to names for messages.
Name = Callable[[tf.Tensor], tf.Tensor]
# From serialised records, string (batch,), and the places of the images.
Parse = Callable[[tf.Tensor, tf.Tensor, Name], Example]


class FileSpan(NamedTuple):
    """`number` records of a file, starting with record `first`."""

    path: str
    first: int
    number: int


def whole_files(paths: Iterable[str | epath.Path]) -> list[FileSpan]:
    """Returns all records of some files; see `record_files.count`."""
    files = [to_path(path) for path in paths]
    numbers = record_files.count(files)
    return [
        FileSpan(str(file), 0, number)
        for file, number in zip(files, numbers, strict=True)
    ]


class RecordList(NamedTuple):
    """Records in some order.

    Attributes:
        paths: The files.
        file: int64 (records,), whose record each is: a place in `paths`.
        number: int64 (records,), which record of its file each is.
        label: int64 (records,), in place of those that the records have; None
            leaves these.
    """

    paths: tuple[str, ...]
    file: np.ndarray
    number: np.ndarray
    label: np.ndarray | None = None

    @classmethod
    def from_spans(cls, spans: Iterable[FileSpan]) -> "RecordList":
        """Returns the records of some files, one file after the other."""
        paths, firsts, numbers = zip(*spans, strict=True)
        ends = np.cumsum(numbers)
        file = np.repeat(np.arange(len(paths)), numbers)
        begin = ends - numbers - firsts
        return cls(paths, file, np.arange(len(file)) - begin[file])

    def at(self, places: np.ndarray | None) -> "RecordList":
        """Returns the records at some places; None is all of them."""
        if places is None:
            return self
        label = None if self.label is None else self.label[places]
        return RecordList(
            self.paths, self.file[places], self.number[places], label
        )


def blocks(records: RecordList, parse: Parse) -> Blocks:
    """Returns small blocks of records, to be read in any order.

    Args:
        records: The records.
        parse: Makes examples of them.

    Raises:
        InputError: A file is damaged.
    """
    size = np.clip(len(records.file) // _MIN_BLOCKS, 1, _MAX_BLOCK)
    return _blocks(records, parse, int(size))


def runs(records: RecordList, parse: Parse) -> Blocks:
    """Returns blocks that are as large as can be, to be read in order.

    Whole files are read without knowing where their records are.
    """
    return _blocks(records, parse, max(1, len(records.file)))


def _blocks(records: RecordList, parse: Parse, size: int) -> Blocks:
    begins = _begins(records, size)
    sizes = np.diff(np.append(begins, len(records.file)))
    file, number = records.file[begins], records.number[begins]
    offsets, lengths = _extents(records.paths, file, number, sizes)
    paths = tf.constant(records.paths)
    labels = None if records.label is None else tf.constant(records.label)

    def read_block(block: tf.Tensor) -> tf.data.Dataset:
        # `tf.data.TFRecordDataset` does not take offsets.
        variant = tf.raw_ops.TFRecordDatasetV2(
            filenames=[tf.gather(paths, tf.gather(file, block))],
            compression_type="",
            buffer_size=tf.gather(lengths, block),
            byte_offsets=[tf.gather(offsets, block)],
        )
        serialized = tf.TensorSpec([], tf.string)
        return tf.data.experimental.from_variant(variant, serialized).take(
            tf.gather(sizes, block)
        )

    def read(numbers: tf.data.Dataset) -> tf.data.Dataset:
        if size > _MAX_BLOCK or not any(map(is_remote, records.paths)):
            return numbers.flat_map(read_block)
        return numbers.map(
            lambda block: read_block(block).batch(size).get_single_element(),
            num_parallel_calls=_REQUESTS,
        ).unbatch()

    def name(places: tf.Tensor) -> tf.Tensor:
        block = tf.searchsorted(begins, places, "right") - 1
        place = places - tf.gather(begins, block)
        text = tf.strings.as_string(tf.gather(number, block) + place)
        path = tf.gather(paths, tf.gather(file, block))
        return tf.strings.join(["record ", text, " of ", path])

    def parse_batch(places: tf.Tensor, serialized: tf.Tensor) -> Example:
        example = parse(serialized, places, name)
        if labels is None:
            return example
        return example | {"label": tf.gather(labels, places)}

    return Blocks(sizes, read, parse_batch)


def _begins(records: RecordList, size: int) -> np.ndarray:
    """Returns the place of each block's first record, int64 (blocks,)."""
    places = np.arange(len(records.file))
    begins = np.ones(len(places), bool)  # of runs of neighbours
    begins[1:] = np.diff(records.file) != 0
    begins[1:] |= np.diff(records.number) != 1
    in_run = places - np.maximum.accumulate(np.where(begins, places, 0))
    return np.flatnonzero(in_run % size == 0)


def _extents(
    paths: tuple[str, ...],
    file: np.ndarray,
    number: np.ndarray,
    sizes: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns where blocks begin and how much to read, int64 (blocks,).

    Args:
        paths: The files.
        file: See `RecordList`, of each block's first record.
        number: Likewise.
        sizes: The number of records in each block.
    """
    in_bucket = any(map(is_remote, paths))
    most = _BUCKET_BUFFER if in_bucket else _BUFFER
    offsets, lengths = np.zeros_like(sizes), np.full_like(sizes, most)
    if not number.any():  # each begins its file
        return offsets, lengths
    used = np.unique(file)
    bounds = record_offsets.boundaries([to_path(paths[i]) for i in used])
    # Files have many blocks each, which stable sorting keeps together.
    order = np.argsort(file, kind="stable")
    groups = np.split(order, np.searchsorted(file[order], used)[1:])
    for group, starts in zip(groups, bounds, strict=True):
        first = number[group]
        offsets[group] = starts[first]
        lengths[group] = starts[first + sizes[group]] - starts[first]
    return offsets, np.minimum(lengths, most)

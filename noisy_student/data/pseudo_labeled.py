"""Pseudo-labelled records, as filtering writes them, as a source of images."""

import dataclasses

import numpy as np
import tensorflow as tf

from noisy_student.config.paths import to_path
from noisy_student.data import order, record_blocks, record_files, records
from noisy_student.data.record_blocks import RecordList
from noisy_student.data.sources import (
    ImageSource,
    RandomAccessSource,
    nearly_equal,
)
from noisy_student.errors import InputError
from noisy_student.files import remote

_BATCH = 32  # records parsed at a time


@dataclasses.dataclass(frozen=True)
class PseudoLabeledSource(RandomAccessSource):
    """Images with a teacher's labels and `probabilities`.

    Attributes:
        num_classes: The size of the probabilities.
        num_records: The number of records in the files.
        chosen: See `RecordSource`.
    """

    num_classes: int
    num_records: int
    chosen: np.ndarray | None = None

    @classmethod
    def from_files(
        cls,
        paths: list[str],
        num_records: int,
        num_classes: int,
        chosen: np.ndarray | None = None,
    ) -> "PseudoLabeledSource":
        """Returns the source of some files.

        Args:
            paths: The files.
            num_records: The number of records in all of them.
            num_classes: The size of the probabilities.
            chosen: See `RecordSource`.
        """
        source = cls(
            num_records if chosen is None else len(chosen),
            lambda: source.read_batches(_BATCH).unbatch(),
            "the pseudo-labelled records",
            num_classes,
            num_records,
            chosen,
            record_paths=tuple(sorted(paths)),
        )
        return source

    def read_batches(self, size: int) -> tf.data.Dataset:
        """See `ImageSource`."""
        runs = record_blocks.runs(self._listed(), self._parse)
        return order.in_order(runs, size)

    def blocks(self) -> order.Blocks:
        """See `ImageSource`.

        Raises:
            InputError: The files have another number of records.
        """
        return record_blocks.blocks(self._listed(), self._parse)

    def _listed(self) -> RecordList:
        files = record_blocks.whole_files(self.record_paths)
        found = sum(file.number for file in files)
        if found != self.num_records:
            raise InputError(
                f"{self.record_paths[0]} and the files beside it hold {found} "
                f"records in place of {self.num_records}; filter again."
            )
        return RecordList.from_spans(files).at(self.chosen)

    def _parse(
        self,
        serialized: tf.Tensor,
        places: tf.Tensor,
        name: record_blocks.Name,
    ) -> dict[str, tf.Tensor]:
        example = records.parse_pseudo_labeled(serialized, self.num_classes)
        return example | {"index": places, "record": name(places)}

    def worker_part(self, index: int, count: int) -> ImageSource:
        """See `ImageSource`; own files if all workers' are equally large."""
        paths = list(self.record_paths)
        bytes_of = [remote.size(to_path(path)) for path in paths]
        sizes = [sum(bytes_of[i::count]) for i in range(count)]
        if count == 1 or not nearly_equal(sizes):
            return self.stride(index, count)
        paths = paths[index::count]
        numbers = record_files.count([to_path(path) for path in paths])
        return self.from_files(paths, sum(numbers), self.num_classes)

    def at(self, places: np.ndarray) -> "PseudoLabeledSource":
        """See `RandomAccessSource`."""
        return self.from_files(
            list(self.record_paths),
            self.num_records,
            self.num_classes,
            places if self.chosen is None else self.chosen[places],
        )

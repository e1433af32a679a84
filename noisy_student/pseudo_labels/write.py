"""Writes the kept images of one share, with their pseudo labels."""

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterator

import numpy as np
from etils import epath

from noisy_student import progress
from noisy_student.data import (
    decoding,
    image_files,
    photos,
    records,
    sources,
)
from noisy_student.errors import InputError
from noisy_student.files import remote, shards, writing
from noisy_student.pseudo_labels.select import Selection

# Images read at a time: more photographs would take hundreds of MiB. It
# divides `records.BATCH`.
IMAGES = 64
_BUFFER = 2**25  # bytes of records that are shuffled together

_Batch = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Tally:
    """What was written of a share.

    Attributes:
        images: number of images.
        per_class: for each class, images kept, records written, kept images
            whose pseudo label is the true one, and kept images whose true
            label is unknown.
        seconds: time that it took.
        size: bytes of the records.
        truth: where the true labels came from, see `TaskData.truth`.
    """

    images: int
    per_class: list[list[int]]
    seconds: float
    size: int
    truth: str | None = None

    @classmethod
    def load(cls, path: epath.Path) -> "Tally":
        """Reads what `write_share` wrote."""
        return cls(**writing.read_json(path))


def write_share(
    path: epath.Path,
    tally_path: epath.Path,
    images: sources.ImageSource,
    selections: Iterator[Selection],
    samples_dir: epath.Path,
    shard: int,
    num_classes: int,
    generator: np.random.Generator,
    max_side: int | None = None,
    truth: str | None = None,
) -> None:
    """Writes the kept images of a share, as often as they have copies.

    They are shuffled, so that copies do not follow one another.

    Args:
        path: of the records; the file appears when it is complete.
        tally_path: of the `Tally`, which is written last.
        images: those of the share.
        selections: what becomes of them, `IMAGES` at a time.
        samples_dir: gets the kept images to look at, a directory per label.
        shard: that of the share.
        num_classes: number of classes.
        generator: draws the order.
        max_side: see `as_written`.
        truth: see `Tally`.

    Raises:
        InputError: images and selections differ in number, one of them is
            damaged, or the disk has no room.
    """
    start = time.monotonic()
    per_class = np.zeros([num_classes, 4], np.int64)
    with (
        decoding.input_errors(images.record_paths),
        shards.shard_writer(path) as writer,
        progress.bar(images.num_images, f"filter {path.name}", "image") as bar,
    ):
        shuffled = _Shuffled(writer.write, generator)
        for chosen, batch in _pair(selections, images, path):
            for row in map(int, np.flatnonzero(chosen.copies)):
                encoded = as_written(
                    batch["encoded"][row], images.exif, max_side
                )
                record = records.encode_pseudo_labeled(
                    encoded, chosen.labels[row], chosen.probabilities[row]
                )
                shuffled.add(record, chosen.copies[row])
                if chosen.sampled[row]:
                    _write_sample(chosen, batch, row, samples_dir, shard)
            _count(per_class, chosen, batch["label"])
            bar.update(len(chosen.labels))
        shuffled.write_rest()
    seconds = time.monotonic() - start
    size = remote.size(path)
    tally = Tally(images.num_images, per_class.tolist(), seconds, size, truth)
    writing.write_json(tally_path, dataclasses.asdict(tally))


def as_written(encoded: bytes, exif: bool, max_side: int | None) -> bytes:
    """Returns an image as a record gets it.

    Args:
        encoded: the content of its file, or of a record.
        exif: whether it is of a file; images of records stay as they are.
        max_side: the most pixels of the longer side of one of a file.
    """
    if not exif:
        return encoded
    if max_side is not None:
        encoded = photos.smaller(encoded, max_side, max)
    return image_files.upright(encoded)


def _write_sample(
    chosen: Selection,
    batch: _Batch,
    row: int,
    directory: epath.Path,
    shard: int,
) -> None:
    """Writes an image to look at."""
    encoded = batch["encoded"][row]
    place, top = chosen.places[row], chosen.top[row]
    name = f"image_{shard}_{place}_{top:.2f}{image_files.suffix(encoded)}"
    writing.write_bytes(directory / f"{chosen.labels[row]}" / name, encoded)


def _count(
    per_class: np.ndarray, chosen: Selection, true_labels: np.ndarray
) -> None:
    """Adds the kept images to the columns of `Tally.per_class`."""
    kept = chosen.copies > 0
    labels, copies = chosen.labels[kept], chosen.copies[kept]
    truth = true_labels[kept]
    columns = (copies > 0, copies, truth == labels, truth < 0)
    np.add.at(per_class, labels, np.stack(columns, axis=1))


class _Shuffled:
    """Writes records in another order than they come, out of a buffer."""

    def __init__(
        self, write: Callable[[bytes], None], generator: np.random.Generator
    ) -> None:
        self._write = write
        self._generator = generator
        self._records: list[bytes] = []
        self._size = 0

    def add(self, record: bytes, copies: int) -> None:
        """Takes a record, and writes any where the buffer is full."""
        self._records += [record] * copies
        self._size += len(record) * copies
        while self._size > _BUFFER:
            self._write_any()

    def write_rest(self) -> None:
        """Empties the buffer."""
        while self._records:
            self._write_any()

    def _write_any(self) -> None:
        place = int(self._generator.random() * len(self._records))
        record, last = self._records[place], self._records.pop()
        if place < len(self._records):
            self._records[place] = last
        self._size -= len(record)
        self._write(record)


def _pair(
    selections: Iterator[Selection],
    images: sources.ImageSource,
    path: epath.Path,
) -> Iterator[tuple[Selection, _Batch]]:
    """Yields what becomes of some images, and these images."""
    batches = images.read_batches(IMAGES).prefetch(2).as_numpy_iterator()
    for chosen, batch in itertools.zip_longest(selections, batches):
        if (
            chosen is None
            or batch is None
            or len(chosen.labels) != len(batch["label"])
        ):
            raise InputError(
                f"{path} cannot be written: there is another number of "
                f"predictions than of images ({images.name}); predict "
                "again into another directory."
            )
        yield chosen, batch

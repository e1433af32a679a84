"""Writes the kept images of one share, with their pseudo labels."""

import itertools
import pathlib
import time
from collections.abc import Callable, Iterator

import numpy as np

from noisy_student import progress
from noisy_student.data import decoding, records, sources
from noisy_student.errors import InputError
from noisy_student.files import shards, writing
from noisy_student.pseudo_labels.select import Selection
from noisy_student.pseudo_labels.stats import Tally

# Images read at a time: more photographs would take hundreds of MiB. It
# divides `records.BATCH`.
IMAGES = 64


def write_share(
    path: pathlib.Path,
    images: sources.ImageSource,
    selections: Iterator[Selection],
    sample_path: Callable[[int, int, float, bytes], pathlib.Path],
    num_classes: int,
) -> Tally:
    """Writes the kept images of a share, as often as they have copies.

    Args:
        path: of the records; the file appears when it is complete.
        images: those of the share.
        selections: what becomes of them, `IMAGES` at a time.
        sample_path: makes the path of an image to look at, see
            `FilterFiles.sample`.
        num_classes: number of classes.

    Returns:
        What was written.

    Raises:
        InputError: images and selections differ in number, one of them is
            damaged, or the disk has no room.
    """
    start, done = time.monotonic(), 0
    per_class = np.zeros([num_classes, 4], np.int64)
    with (
        decoding.input_errors(images.record_paths),
        shards.shard_writer(path) as writer,
        progress.bar(images.num_images, f"filter {path.name}", "image") as bar,
    ):
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
            kept = np.flatnonzero(chosen.copies)
            labels, copies = chosen.labels[kept], chosen.copies[kept]
            for row, label, number in zip(kept, labels, copies, strict=True):
                encoded = batch["encoded"][row]
                record = records.encode_pseudo_labeled(
                    encoded, label, chosen.probabilities[row]
                )
                for _ in range(number):
                    writer.write(record)
                if chosen.sampled[row]:
                    place, top = chosen.places[row], chosen.top[row]
                    sample = sample_path(label, place, top, encoded)
                    writing.write_bytes(sample, encoded)
            truth = batch["label"][kept]
            columns = (copies > 0, copies, truth == labels, truth < 0)
            np.add.at(per_class, labels, np.stack(columns, axis=1))
            done += len(chosen.labels)
            bar.update(len(chosen.labels))
    seconds = time.monotonic() - start
    return Tally(done, per_class.tolist(), seconds, path.stat().st_size)

"""The work on one part of the images: count its predictions, write its records.

Both stream, so that memory does not grow with the part; both leave a file
that says that they are done, and then do nothing when called again. Local
runs, tasks on several machines and Beam's workers all call these.
"""

import dataclasses
import json
import pathlib
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from noisy_student import progress
from noisy_student.config import PseudoLabelConfig
from noisy_student.data import decoding, records, sources
from noisy_student.errors import InputError
from noisy_student.files import shards, writing
from noisy_student.pseudo_labels import count, select
from noisy_student.pseudo_labels.predictions import Part, PredictionFiles
from noisy_student.pseudo_labels.select import Balance
from noisy_student.pseudo_labels.stats import Tally

# Images read at a time: of photographs more would take hundreds of MiB. It
# divides `records.BATCH`.
_IMAGES = 64
# By the first bytes of a file.
_SUFFIXES = {
    b"\xff\xd8": ".jpeg",
    b"\x89PNG": ".png",
    b"GIF8": ".gif",
    b"BM": ".bmp",
}


@dataclasses.dataclass(frozen=True)
class FilterJob:
    """Everything that filtering needs to know but the images.

    Attributes:
        files: the predictions.
        counts_dir: gets a file of counts for each part.
        output_dir: gets `data/train-*`, `samples/` and `tallies/`.
        config: thresholds and numbers.
        seed: of the random copies.
        num_classes: number of classes.
        made_from: the images, the teacher and all settings.
    """

    files: PredictionFiles
    counts_dir: pathlib.Path
    output_dir: pathlib.Path
    config: PseudoLabelConfig
    seed: int
    num_classes: int
    made_from: dict[str, Any]

    def counts_file(self, part: Part) -> pathlib.Path:
        """What `count_part` leaves."""
        name = self.files.division.file_name("counts", part)
        return self.counts_dir / f"{name}.json"

    def data_file(self, part: Part) -> pathlib.Path:
        """The records that `write_part` writes."""
        name = self.files.division.records_name(part)
        return self.output_dir / "data" / name

    def tally_file(self, part: Part) -> pathlib.Path:
        """What `write_part` leaves last."""
        name = self.files.division.file_name("tally", part)
        return self.output_dir / "tallies" / f"{name}.json"

    def is_written(self, part: Part) -> bool:
        """Whether `write_part` has done its work, and it is still there."""
        tally, data = self.tally_file(part), self.data_file(part)
        if not tally.exists() or not data.exists():
            return False
        return Tally.load(tally).size == data.stat().st_size

    def read_counts(self, part: Part) -> np.ndarray | None:
        """What `count_part` counted; None where it is not there.

        Counts of another teacher's predictions are not there either.
        """
        path = self.counts_file(part)
        if not path.exists():
            return None
        found = json.loads(path.read_text())
        if found["made_from"] != self._counts_made_from():
            return None
        return np.array(found["counts"])

    def write_counts(self, part: Part, counts: np.ndarray) -> None:
        """Keeps the counts of a part."""
        value = {
            "made_from": self._counts_made_from(),
            "counts": counts.tolist(),
        }
        writing.write_json(self.counts_file(part), value, indent=None)

    def _counts_made_from(self) -> dict[str, Any]:
        made_from = self.files.made_from(
            {key: self.made_from[key] for key in ("images", "teacher")}
        )
        return json.loads(json.dumps(made_from))  # tuples are lists there


def count_part(job: FilterJob, part: Part) -> np.ndarray:
    """Counts a part's predictions by class and probability.

    Returns:
        int64 (classes, 101); see `count.count`.

    Raises:
        InputError: the predictions are damaged.
    """
    counts = job.read_counts(part)
    if counts is not None:
        return counts
    counts = np.zeros([job.num_classes, len(count.BIN_EDGES)], np.int64)
    for probabilities in job.files.read(part, job.num_classes):
        labels, top = count.top_classes(probabilities)
        counts += count.count(labels, top, job.num_classes)
    job.write_counts(part, counts)
    return counts


def write_part(
    job: FilterJob, part: Part, balance: Balance, source: sources.ImageSource
) -> Tally:
    """Writes a part's kept images with their pseudo labels.

    Args:
        job: the settings.
        part: which one.
        balance: what is kept.
        source: all unlabelled images.

    Raises:
        InputError: images and predictions differ in number, or the disk has
            no room.
    """
    tally_file = job.tally_file(part)
    if job.is_written(part):
        return Tally.load(tally_file)
    start = time.monotonic()
    images = job.files.division.images(source, part)
    per_class = np.zeros([job.num_classes, 4], np.int64)
    path, done = job.data_file(part), 0
    with (
        decoding.input_errors(images.record_paths),
        shards.shard_writer(path) as writer,
        progress.bar(images.num_images, f"filter {path.name}", "image") as bar,
    ):
        batches = images.read_batches(_IMAGES).prefetch(2).as_numpy_iterator()
        for probabilities in job.files.read(part, job.num_classes):
            places = _places(job, part, done, len(probabilities))
            chosen = _Chosen.draw(job, part, balance, places, probabilities)
            truth = _write_images(job, part, chosen, batches, writer)
            per_class += _tally(
                chosen.labels, chosen.copies, truth, job.num_classes
            )
            done += len(probabilities)
            bar.update(len(probabilities))
        if next(batches, None) is not None:
            raise _other_number(job, part)
    seconds = time.monotonic() - start
    tally = Tally(done, per_class, seconds, path.stat().st_size)
    tally.save(tally_file)
    return tally


@dataclasses.dataclass(frozen=True)
class _Chosen:
    """Some images of a part and what becomes of them, a row each.

    Attributes:
        places: in the shard.
        probabilities: float32 (rows, classes).
        labels, top: see `count.top_classes`.
        copies: int64 (rows,).
        sampled: bool (rows,), kept ones that people may look at.
    """

    places: range
    probabilities: np.ndarray
    labels: np.ndarray
    top: np.ndarray
    copies: np.ndarray
    sampled: np.ndarray

    @classmethod
    def draw(
        cls,
        job: FilterJob,
        part: Part,
        balance: Balance,
        places: range,
        probabilities: np.ndarray,
    ) -> "_Chosen":
        """Chooses by the probabilities and the places' random numbers."""
        labels, top = count.top_classes(probabilities)
        of_copies, of_samples = (
            select.uniform(purpose, job.seed, part.shard, places)
            for purpose in (select.COPIES, select.SAMPLES)
        )
        copies = balance.draw(labels, top, of_copies)
        rates = balance.sampling_rates(job.config.samples_per_class)
        sampled = (copies > 0) & (of_samples < rates[labels])
        return cls(places, probabilities, labels, top, copies, sampled)


def _write_images(
    job: FilterJob,
    part: Part,
    chosen: _Chosen,
    batches: Iterator[dict[str, np.ndarray]],
    writer: shards.ShardWriter,
) -> np.ndarray:
    """Writes the chosen of the next images; returns the labels of all."""
    truth: list[np.ndarray] = []
    for first in range(0, len(chosen.labels), _IMAGES):
        examples = next(batches, None)
        count_here = min(_IMAGES, len(chosen.labels) - first)
        if examples is None or len(examples["encoded"]) != count_here:
            raise _other_number(job, part)
        truth.append(examples["label"])
        rows = slice(first, first + count_here)
        for offset in np.flatnonzero(chosen.copies[rows]):
            row, encoded = first + offset, examples["encoded"][offset]
            record = records.encode_pseudo_labeled(
                encoded, chosen.labels[row], chosen.probabilities[row]
            )
            for _ in range(chosen.copies[row]):
                writer.write(record)
            if chosen.sampled[row]:
                _save_sample(job, part, chosen, int(row), encoded)
    return np.concatenate(truth)


def _other_number(job: FilterJob, part: Part) -> InputError:
    return InputError(
        f"{job.files.predictions(part)} holds another number of predictions "
        "than there are images; predict again into another directory."
    )


def _places(job: FilterJob, part: Part, done: int, count: int) -> range:
    """The places of a part's next images in their shard."""
    step = job.files.division.total_replicas
    first = part.worker + step * done
    return range(first, first + step * (count - 1) + 1, step)


def _tally(
    labels: np.ndarray,
    copies: np.ndarray,
    truth: np.ndarray,
    num_classes: int,
) -> np.ndarray:
    """`Tally.per_class` of some images."""
    kept = copies > 0
    columns = (kept, copies, kept & (truth == labels), kept & (truth < 0))
    counts = [np.bincount(labels, c, minlength=num_classes) for c in columns]
    return np.stack(counts, axis=1).astype(np.int64)


def _save_sample(
    job: FilterJob, part: Part, chosen: _Chosen, row: int, encoded: bytes
) -> None:
    directory = job.output_dir / "samples" / str(chosen.labels[row])
    suffix = next(
        (end for start, end in _SUFFIXES.items() if encoded.startswith(start)),
        "",
    )
    place, top = chosen.places[row], chosen.top[row]
    path = directory / f"image_{part.shard}_{place}_{top:.2f}{suffix}"
    writing.write_bytes(path, encoded)

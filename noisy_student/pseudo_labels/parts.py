"""The work on one part of the images: count its predictions, write its records.

Both stream, so that memory does not grow with the part; both leave a file
that says that they are done, and then do nothing when called again. Local
runs, tasks on several machines and Beam's workers all call these.
"""

import dataclasses
import itertools
import json
import pathlib
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from noisy_student import progress, run_directory
from noisy_student.config import PseudoLabelConfig
from noisy_student.data import decoding, records, sources
from noisy_student.errors import InputError
from noisy_student.pseudo_labels import count, select
from noisy_student.pseudo_labels.predictions import Part, PredictionFiles
from noisy_student.pseudo_labels.select import Balance
from noisy_student.pseudo_labels.stats import Tally

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
        """Whether `write_part` has done its work."""
        return self.tally_file(part).exists() and self.data_file(part).exists()

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
        run_directory.write_json(self.counts_file(part), value, indent=None)

    def _counts_made_from(self) -> dict[str, Any]:
        keys = ("images", "teacher")
        return json.loads(json.dumps({k: self.made_from[k] for k in keys}))


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
        records.shard_writer(path) as writer,
        progress.bar(images.num_images, f"filter {path.name}", "image") as bar,
    ):
        for examples, probabilities in _joined(job, part, images):
            places = _places(job, part, done, len(probabilities))
            labels, top = count.top_classes(probabilities)
            numbers = select.uniform(
                select.COPIES, job.seed, part.shard, places
            )
            copies = balance.draw(labels, top, numbers)
            encoded = examples["encoded"]
            for row in np.flatnonzero(copies):
                record = records.encode_pseudo_labeled(
                    encoded[row], labels[row], probabilities[row]
                )
                for _ in range(copies[row]):
                    writer.write(record)
            per_class += _tally(
                labels, copies, examples["label"], job.num_classes
            )
            for row in _sampled(job, part, balance, places, labels, copies):
                _save_sample(
                    job, part, places[row], labels[row], top[row], encoded[row]
                )
            done += len(probabilities)
            bar.update(len(probabilities))
    tally = Tally(done, per_class, time.monotonic() - start)
    tally.save(tally_file)
    return tally


def _joined(
    job: FilterJob, part: Part, images: sources.ImageSource
) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
    """Images and their probabilities, `records.BATCH` at a time."""
    batches = images.read_batches(records.BATCH).prefetch(2)
    for examples, probabilities in itertools.zip_longest(
        batches.as_numpy_iterator(), job.files.read(part, job.num_classes)
    ):
        if (
            examples is None
            or probabilities is None
            or len(examples["encoded"]) != len(probabilities)
        ):
            raise InputError(
                f"{job.files.predictions(part)} holds another number of "
                f"predictions than {images.name} has images; predict again "
                "into another directory."
            )
        yield examples, probabilities


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


def _sampled(
    job: FilterJob,
    part: Part,
    balance: Balance,
    places: range,
    labels: np.ndarray,
    copies: np.ndarray,
) -> np.ndarray:
    """Rows of the kept images that people may look at."""
    numbers = select.uniform(select.SAMPLES, job.seed, part.shard, places)
    rates = balance.sampling_rates(job.config.samples_per_class)
    return np.flatnonzero((copies > 0) & (numbers < rates[labels]))


def _save_sample(
    job: FilterJob,
    part: Part,
    place: int,
    label: int,
    probability: float,
    encoded: bytes,
) -> None:
    directory = job.output_dir / "samples" / str(label)
    directory.mkdir(parents=True, exist_ok=True)
    suffix = next(
        (end for start, end in _SUFFIXES.items() if encoded.startswith(start)),
        "",
    )
    name = f"image_{part.shard}_{place}_{probability:.2f}{suffix}"
    (directory / name).write_bytes(encoded)

"""From predictions to pseudo-labelled records: count, select, write.

The thresholds need the counts of all shards; then each shard is written on
its own. `stats.json` is written last and says that the whole is done.
"""

import dataclasses
import json
import pathlib
import time
from typing import Any

import numpy as np
from absl import logging

from noisy_student import progress, run_directory
from noisy_student.config import PseudoLabelConfig
from noisy_student.data import decoding, records, sources
from noisy_student.errors import InputError
from noisy_student.pseudo_labels import count, select
from noisy_student.pseudo_labels.predict import PredictionFiles

STATS_FILE = "stats.json"


@dataclasses.dataclass(frozen=True)
class PseudoLabelStats:
    """What filtering and balancing kept.

    Attributes:
        kept: images, each counted once.
        records: with their copies.
        correct: kept images whose pseudo label is the true one; None where
            the source does not know the truth.
        seconds: that prediction and filtering took.
        made_from: the images, the teacher and the settings.
        predicted, above_threshold, kept_per_class, records_per_class,
            threshold: one value a class.
    """

    kept: int
    records: int
    correct: int | None
    seconds: float
    made_from: dict[str, Any]
    predicted: list[int]
    above_threshold: list[int]
    kept_per_class: list[int]
    records_per_class: list[int]
    threshold: list[float]

    @property
    def accuracy(self) -> float | None:
        """Share of kept images with the true label, in [0, 1]."""
        if self.correct is None or self.kept == 0:
            return None
        return self.correct / self.kept

    @classmethod
    def load(cls, directory: pathlib.Path) -> "PseudoLabelStats":
        """Reads what `filter_and_balance` left in a directory."""
        return cls(**json.loads((directory / STATS_FILE).read_text()))


def record_paths(directory: pathlib.Path) -> list[str]:
    """The files of pseudo-labelled records.

    Raises:
        ValueError: the directory has none, or filtering did not finish.
    """
    if not (directory / STATS_FILE).exists():
        raise ValueError(
            f"{directory} does not hold pseudo-labelled records (data/train-* "
            f"and {STATS_FILE}); tools/filter_unlabel.py writes them."
        )
    made_from = PseudoLabelStats.load(directory).made_from
    count = made_from["num_shards"]
    return [str(_data_path(directory, i, count)) for i in range(count)]


def _data_path(directory: pathlib.Path, shard: int, count: int):
    return directory / "data" / records.shard_name("train", shard, count)


def check_images(directory: pathlib.Path, images: dict[str, Any]) -> None:
    """Refuses pseudo labels of other images than a run's.

    Args:
        directory: what `filter_and_balance` wrote.
        images: `TaskData.identity` of the run.

    Raises:
        ValueError: naming what differs.
    """
    theirs = PseudoLabelStats.load(directory).made_from["images"]
    changed = run_directory.differences(theirs, images)
    if changed:
        raise ValueError(
            f"The pseudo labels of {directory} are of other images: "
            f"{changed}. Trained on both, a model could meet its test images."
        )


@dataclasses.dataclass(frozen=True)
class _Selection:
    """What was chosen: per class, and the copies of each image by shard."""

    counts: np.ndarray
    thresholds: np.ndarray
    totals: np.ndarray
    copies: list[np.ndarray]


def filter_and_balance(
    data: sources.TaskData,
    files: PredictionFiles,
    output_dir: pathlib.Path,
    config: PseudoLabelConfig,
    seed: int,
) -> PseudoLabelStats:
    """Keeps the images that the teacher is sure of, balanced over classes.

    Args:
        data: whose unlabelled images the predictions are of.
        files: the predictions.
        output_dir: gets `data/train-SSSSS-of-NNNNN` and `stats.json`; where
            it has the latter, nothing is done again.
        config: thresholds and numbers.
        seed: of the random copies.

    Raises:
        ValueError: predictions are missing or of other images, or the
            directory holds the outcome of other settings.
        InputError: predictions do not fit the images, or no image is kept.
    """
    made_from = check(data, files, output_dir, config, seed)
    if (output_dir / STATS_FILE).exists():
        return PseudoLabelStats.load(output_dir)
    start = time.monotonic()
    source, num_classes = data.require_unlabeled(), data.task.num_classes
    predictions = _read_all(source, files, num_classes)
    selection = _select(predictions, config, seed)
    tally = np.zeros([num_classes, 4], np.int64)
    for shard, probabilities in enumerate(predictions):
        tally += _write_shard(
            source.shard(shard, files.num_shards),
            _data_path(output_dir, shard, files.num_shards),
            probabilities,
            selection.copies[shard],
        )
    seconds = files.seconds() + time.monotonic() - start
    stats = _stats(selection, tally, seconds, made_from)
    run_directory.write_json(output_dir / STATS_FILE, dataclasses.asdict(stats))
    return stats


def check(
    data: sources.TaskData,
    files: PredictionFiles,
    output_dir: pathlib.Path,
    config: PseudoLabelConfig,
    seed: int,
) -> dict[str, Any]:
    """Checks what can be known before filtering; see `filter_and_balance`.

    Returns:
        What the outcome is made of, for `PseudoLabelStats.made_from`.
    """
    files.check_complete()
    files.check_made_from({"images": data.identity})
    made_from = {
        "images": data.identity,
        "teacher": files.teacher(),
        "seed": seed,
        **dataclasses.asdict(config),
    }
    if (output_dir / STATS_FILE).exists():
        theirs = PseudoLabelStats.load(output_dir).made_from
        changed = run_directory.differences(
            run_directory.flatten(theirs), run_directory.flatten(made_from)
        )
        if changed:
            raise ValueError(
                f"{output_dir} holds pseudo labels of other settings: "
                f"{changed}. Name another directory."
            )
    return made_from


def _read_all(
    source: sources.ImageSource, files: PredictionFiles, num_classes: int
) -> list[np.ndarray]:
    """The predictions of all shards, which must fit the source."""
    predictions = [
        files.read(shard, num_classes) for shard in range(files.num_shards)
    ]
    predicted = sum(len(shard) for shard in predictions)
    if predicted != source.num_images:
        raise InputError(
            f"{files.output_dir} holds predictions of {predicted} images, "
            f"and there are {source.num_images} unlabelled ones; predict "
            "again into another directory."
        )
    return predictions


def _select(
    predictions: list[np.ndarray], config: PseudoLabelConfig, seed: int
) -> _Selection:
    """Counts all shards, chooses thresholds and draws the copies."""
    counts = np.sum([count.count(shard) for shard in predictions], axis=0)
    thresholds, totals = count.choose_thresholds(
        counts, config.num_image, config.min_threshold, config.max_prob
    )
    max_prob = config.max_prob
    if config.use_all:
        thresholds, max_prob = np.zeros_like(thresholds), np.inf
    copies = select.expected_copies(
        totals, config.num_image, config.upsample, config.use_all
    )
    drawn = [
        select.draw_copies(shard, thresholds, copies, max_prob, seed, index)
        for index, shard in enumerate(predictions)
    ]
    if not any(shard.any() for shard in drawn):
        raise InputError(
            "No unlabelled image has a probability of min_threshold="
            f"{config.min_threshold} or more; lower it."
        )
    empty = np.flatnonzero(totals == 0)
    if len(empty) and not config.use_all:
        logging.warning(
            "No unlabelled image is above min_threshold in the classes %s.",
            ", ".join(map(str, empty)),
        )
    return _Selection(counts, thresholds, totals, drawn)


def _write_shard(
    source: sources.ImageSource,
    path: pathlib.Path,
    probabilities: np.ndarray,
    copies: np.ndarray,
) -> np.ndarray:
    """Writes the kept images of a shard.

    Returns:
        int64 (classes, 4): images kept, records written, kept images whose
        label is the true one, and kept images whose true one is unknown.
    """
    tally = np.zeros([probabilities.shape[1], 4], np.int64)
    with (
        decoding.input_errors(source.record_paths),
        records.shard_writer(path) as writer,
        progress.bar(len(copies), f"filter {path.name}", "image") as bar,
    ):
        examples = source.read().as_numpy_iterator()
        for example, row, number in zip(
            examples, probabilities, copies, strict=True
        ):
            bar.update()
            if number == 0:
                continue
            label = int(np.argmax(row))
            record = records.encode_pseudo_labeled(
                example["encoded"], label, row
            )
            for _ in range(number):
                writer.write(record)
            truth = example["label"]
            tally[label] += [1, number, truth == label, truth < 0]
    return tally


def _stats(
    selection: _Selection,
    tally: np.ndarray,
    seconds: float,
    made_from: dict[str, Any],
) -> PseudoLabelStats:
    kept, written, correct, unknown = tally.T
    return PseudoLabelStats(
        kept=int(kept.sum()),
        records=int(written.sum()),
        correct=None if unknown.any() else int(correct.sum()),
        seconds=round(seconds, 1),
        made_from=made_from,
        predicted=selection.counts.sum(axis=1).tolist(),
        above_threshold=selection.totals.tolist(),
        kept_per_class=kept.tolist(),
        records_per_class=written.tolist(),
        threshold=selection.thresholds.tolist(),
    )

"""From predictions to pseudo-labelled records: count, choose, write.

Two phases. The thresholds need the counts of all parts; then each part is
written on its own, by whoever it falls to. `stats.json` is written last and
says that the whole is done.
"""

import dataclasses
import pathlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from absl import logging

from noisy_student.config import PseudoLabelConfig
from noisy_student.data import sources
from noisy_student.errors import InputError
from noisy_student.files import stamps, writing
from noisy_student.pseudo_labels.count import BIN_EDGES
from noisy_student.pseudo_labels.parts import (
    FilterJob,
    count_part,
    write_part,
)
from noisy_student.pseudo_labels.predictions import (
    Division,
    Part,
    PredictionFiles,
)
from noisy_student.pseudo_labels.select import Balance
from noisy_student.pseudo_labels.stats import (
    STATS_FILE,
    PseudoLabelStats,
    Tally,
)

SETTINGS_FILE = "made_from.json"


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
        output_dir: gets `data/train-SSSSS-of-NNNNN`, some images of
            each class in `samples/` and `stats.json`; where it has the
            latter, nothing is done again.
        config: thresholds and numbers.
        seed: of the random copies.

    Raises:
        ValueError: predictions are missing or of other images, or the
            directory holds the outcome of other settings.
        InputError: predictions do not fit the images, or no image is kept.
    """
    job = plan(data, files, output_dir, config, seed)
    parts = files.division.parts()
    count_parts(job, parts)
    return finish(job, write_parts(job, data, parts))


def plan(
    data: sources.TaskData,
    files: PredictionFiles,
    output_dir: pathlib.Path,
    config: PseudoLabelConfig,
    seed: int,
    counts_dir: pathlib.Path | None = None,
    parts: Iterable[Part] | None = None,
) -> FilterJob:
    """Checks what can be known before filtering; see `filter_and_balance`.

    Args:
        data: whose unlabelled images the predictions are of.
        files: the predictions.
        output_dir: of the outcome.
        config: thresholds and numbers.
        seed: of the random copies.
        counts_dir: gets the counts of each part; None is `output_dir`/counts.
        parts: whose predictions must be there; None is all.
    """
    assert Division.of(config) == files.division  # the callers' doing
    files.check_complete(parts)
    files.check_made_from({"images": data.identity})
    files.check_numbers(data.require_unlabeled())
    made_from = settings_of(data, files.teacher(), config, seed)
    check_settings(output_dir, made_from)
    return FilterJob(
        files,
        counts_dir or output_dir / "counts",
        output_dir,
        config,
        seed,
        data.task.num_classes,
        made_from,
    )


def settings_of(
    data: sources.TaskData, teacher: str, config: PseudoLabelConfig, seed: int
) -> dict[str, Any]:
    """What pseudo labels are made of."""
    settings = {"images": data.identity, "teacher": teacher, "seed": seed}
    return settings | dataclasses.asdict(config)


def check_settings(output_dir: pathlib.Path, made_from: dict[str, Any]) -> None:
    """Refuses a directory with pseudo labels of other settings.

    Raises:
        ValueError: naming what differs.
    """
    path = output_dir / SETTINGS_FILE
    if path.exists():
        stamps.check_same(
            writing.read_json(path),
            made_from,
            f"{output_dir} holds pseudo labels of other settings: {{changes}}. "
            "Name another directory.",
            # Only so many pictures to look at.
            ignored=("samples_per_class",),
        )


def count_parts(job: FilterJob, parts: Iterable[Part]) -> None:
    """The first phase, of some parts; those that are counted are passed over.

    Raises:
        InputError: predictions are damaged.
    """
    for part in parts:
        count_part(job, part)


def choose(job: FilterJob) -> Balance:
    """What to keep, from the counts of all parts.

    Raises:
        InputError: counts are missing, which is said, or no image is kept.
    """
    missing = []
    total = np.zeros([job.num_classes, len(BIN_EDGES)], np.int64)
    for part in job.files.division.parts():
        counts = job.read_counts(part)
        if counts is None:
            missing.append(str(part))
        else:
            total += counts
    if missing:
        raise InputError(
            "The thresholds need the counts of all shards; in "
            f"{job.counts_dir} those of {', '.join(missing)} are missing. Run "
            "only_get_stats for them first."
        )
    return choose_balance(job, total)


def choose_balance(job: FilterJob, counts: np.ndarray) -> Balance:
    """`choose`, from the sum of all counts, int (classes, 101)."""
    balance = Balance.choose(counts, job.config)
    if job.config.use_all:
        return balance
    if not (balance.totals * balance.copies).any():
        raise InputError(
            "No unlabelled image has a probability of min_threshold="
            f"{job.config.min_threshold} or more; lower it."
        )
    empty = np.flatnonzero(balance.totals == 0)
    if len(empty):
        logging.warning(
            "No unlabelled image is above min_threshold in the classes %s.",
            ", ".join(map(str, empty)),
        )
    return balance


def write_parts(
    job: FilterJob, data: sources.TaskData, parts: Iterable[Part]
) -> Balance | None:
    """The second phase, of some parts; those written are passed over.

    Returns:
        What was chosen; None where all these were written before.

    Raises:
        InputError: see `choose` and `parts.write_part`.
    """
    todo = [part for part in parts if not job.is_written(part)]
    if not todo:
        return None
    balance = choose(job)
    claim(job)
    for part in todo:
        write_part(job, part, balance, data.require_unlabeled())
    return balance


def claim(job: FilterJob) -> None:
    """Says of what settings the directory's pseudo labels are."""
    writing.write_json(job.output_dir / SETTINGS_FILE, job.made_from)


def uncounted_parts(job: FilterJob) -> list[Part]:
    """Parts that are not counted yet."""
    return [
        part
        for part in job.files.division.parts()
        if job.read_counts(part) is None
    ]


def missing_parts(job: FilterJob) -> list[Part]:
    """Parts that are not written yet."""
    return [
        part for part in job.files.division.parts() if not job.is_written(part)
    ]


def finish(job: FilterJob, balance: Balance | None = None) -> PseudoLabelStats:
    """Sums up when all parts are written, and says that they are.

    Args:
        job: the work.
        balance: what was chosen; None chooses again.
    """
    if (job.output_dir / STATS_FILE).exists():
        return PseudoLabelStats.load(job.output_dir)
    parts = job.files.division.parts()
    nothing = Tally(0, np.zeros([job.num_classes, 4], np.int64), 0.0, 0)
    tally = sum((Tally.load(job.tally_file(part)) for part in parts), nothing)
    paths = [job.data_file(part) for part in parts]
    stats = PseudoLabelStats.of(
        balance or choose(job),
        tally,
        job.files.seconds() + tally.seconds,
        job.made_from,
        {path.name: path.stat().st_size for path in paths},
    )
    path = job.output_dir / STATS_FILE
    writing.write_json(path, dataclasses.asdict(stats))
    return stats

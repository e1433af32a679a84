"""A handful of images that a teacher labelled: kept ones and rejected ones.

They are read again from where the run has them; no model is asked.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from noisy_student import pseudo_labels
from noisy_student.data import decoding, sources
from noisy_student.pseudo_labels import select
from noisy_student.report.labels import Example
from noisy_student.stages import labelled
from noisy_student.stages.experiment import Experiment
from noisy_student.stages.generations import Generation

# Of each share and in all; a run may have labelled hundreds of millions.
_MOST_PREDICTIONS = 50_000


class _Chosen(NamedTuple):
    """Images of a share, and which of them are wanted."""

    images: sources.ImageSource
    mask: np.ndarray
    labels: np.ndarray
    top: np.ndarray
    copies: np.ndarray


def read(
    experiment: Experiment,
    plan: tuple[Generation, ...],
    student: int,
    per_class: int,
) -> list[Example]:
    """Reads random images of each class, kept and rejected.

    They are the same ones each time. Rejected ones are below the threshold;
    those that only balancing left out are passed over. Of very many
    predictions the first ones are looked at.

    Args:
        experiment: of the run.
        plan: its generations.
        student: the number of the one that learned from them.
        per_class: how many of each class and kind, at most.

    Raises:
        ValueError: predictions or images are no longer there, or damaged.
    """
    experiment = labelled.that_labelled(experiment, plan, student)
    job = labelled.filter_job(experiment, plan[student])
    unlabeled = experiment.data.require_unlabeled()
    found: list[Example] = []
    with decoding.input_errors(unlabeled.record_paths):
        for chosen in _choose(job, unlabeled, per_class):
            found += _read(chosen)
    return found


def _choose(
    job: pseudo_labels.FilterJob, images: sources.ImageSource, per_class: int
) -> Iterator[_Chosen]:
    """Chooses in one share after the other, until there are enough."""
    balance = job.choose()
    missing = np.full((2, job.num_classes), per_class)
    seen = 0
    # In folders the first ones are all of one true class.
    generator = np.random.default_rng(job.seed)
    for share in job.predictions.shares():
        part = job.predictions.images(images, share)
        left = _MOST_PREDICTIONS - seen
        if not missing.any() or left <= 0:
            return
        if not part.num_images:
            continue
        columns = _columns(job.selections(share, balance), left)
        labels, top, copies = columns
        seen += len(labels)
        rejected = (top < balance.thresholds[labels]) & (top > 0)
        mask = np.zeros(part.num_images, bool)
        for kind, candidates in enumerate((copies > 0, rejected)):
            for row in generator.permutation(np.flatnonzero(candidates)):
                if missing[kind, labels[row]]:
                    missing[kind, labels[row]] -= 1
                    mask[row] = True
        yield _Chosen(part, mask, *columns)


def _columns(
    selections: Iterator[select.Selection], number: int
) -> tuple[np.ndarray, ...]:
    """Labels, top probabilities and copies of about the first images."""
    blocks = itertools.islice(
        selections, -(-number // pseudo_labels.write.IMAGES)
    )
    columns = ((block.labels, block.top, block.copies) for block in blocks)
    return tuple(map(np.concatenate, zip(*columns, strict=True)))


def _read(chosen: _Chosen) -> Iterator[Example]:
    """Reads the images that are wanted, and no more than these."""
    rows = np.flatnonzero(chosen.mask)
    if not len(rows):
        return
    examples = chosen.images.subset(chosen.mask).read().take(len(rows))
    for row, example in zip(rows, examples.as_numpy_iterator(), strict=True):
        yield Example(
            example["encoded"],
            int(chosen.labels[row]),
            float(chosen.top[row]),
            int(example["label"]),
            bool(chosen.copies[row] > 0),
        )

"""Pseudo labels image by image, as filtering left them.

The predictions and the settings say once more which images were kept: the
records do not say which image one is of, nor what its true label is.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from noisy_student import progress
from noisy_student.data import records, sources
from noisy_student.errors import InputError
from noisy_student.evaluation.label_quality import TeacherLabels
from noisy_student.pseudo_labels.filter import FilterJob
from noisy_student.pseudo_labels.predictions import Share
from noisy_student.pseudo_labels.select import Selection
from noisy_student.pseudo_labels.stats import STATS_FILE, PseudoLabelStats


class ShareLabels(NamedTuple):
    """Some images of a share in order, with their pseudo labels.

    Attributes:
        share: the share.
        images: the images.
        places: where they are in the shard, int64 (images,).
        given: their pseudo labels.
    """

    share: Share
    images: sources.ImageSource
    places: np.ndarray
    given: TeacherLabels

    def where(self, mask: np.ndarray) -> "ShareLabels":
        """Returns the images where `mask`, bool (images,), is true."""
        return ShareLabels(
            self.share,
            self.images.subset(mask),
            self.places[mask],
            self.given.where(mask),
        )


def read_labels(
    job: FilterJob, images: sources.ImageSource
) -> Iterator[ShareLabels]:
    """Reads predictions and true labels, with a progress bar.

    Args:
        job: the filtering, which is done.
        images: all unlabelled images.

    Yields:
        All images of each share that has any.

    Raises:
        InputError: predictions are damaged.
    """
    balance = job.choose()
    parts = {
        share: job.predictions.images(images, share)
        for share in job.predictions.shares()
    }
    total = sum(part.num_images for part in parts.values())
    with progress.bar(total, "read pseudo labels", "image") as bar:
        for share, part in parts.items():
            if not part.num_images:
                continue
            truth = []
            for batch in part.read_batches(records.BATCH).as_numpy_iterator():
                truth.append(batch["label"])
                bar.update(len(batch["label"]))
            yield _labels_of(
                share,
                part,
                list(job.selections(share, balance)),
                np.concatenate(truth),
            )


def _labels_of(
    share: Share,
    images: sources.ImageSource,
    selections: list[Selection],
    truth: np.ndarray,
) -> ShareLabels:
    columns = (
        (chosen.places, chosen.labels, chosen.top, chosen.copies)
        for chosen in selections
    )
    places, labels, top, copies = map(
        np.concatenate, zip(*columns, strict=True)
    )
    given = TeacherLabels(labels, top, copies, truth)
    return ShareLabels(share, images, places, given)


def check_kept(
    job: FilterJob, stats: PseudoLabelStats, kept_per_class: np.ndarray
) -> None:
    """Refuses a choice of images that is not the one that was written.

    Args:
        job: the filtering.
        stats: what it wrote.
        kept_per_class: images kept of each class, int (classes,).

    Raises:
        InputError: they differ.
    """
    if stats.kept_per_class != kept_per_class.tolist():
        raise InputError(
            f"By its predictions {job.files.output_dir} keeps "
            f"{kept_per_class.tolist()} images of the classes, and its "
            f"{STATS_FILE} says {stats.kept_per_class}; one of them is no "
            "longer as the run left it."
        )

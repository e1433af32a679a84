"""Counts of predictions, which the thresholds need of all shares.

The file of a share, `counts-SSSSS-of-NNNNN-WWWWW.json`, serves any settings of
filtering, but no other images or teacher.
"""

import functools
from collections.abc import Iterable
from typing import Any

import numpy as np
from etils import epath

from noisy_student.errors import InputError
from noisy_student.files import remote, stamps, writing
from noisy_student.pseudo_labels import select
from noisy_student.pseudo_labels.layout import LabelFiles
from noisy_student.pseudo_labels.predictions import Share


def read_all(directory: epath.Path, num_shards: int) -> np.ndarray | None:
    """The sum of the counts that filtering left, whatever they are of.

    Args:
        directory: `output_dir` of `LabelFiles`.
        num_shards: number of shards.

    Returns:
        int64 (classes, 101); None where there are none.
    """
    pattern = f"counts/counts-*-of-{num_shards:05d}-*.json"
    paths = remote.glob(directory, pattern)
    if not paths:
        return None
    return np.sum([writing.read_json(path)["counts"] for path in paths], axis=0)


class Counts:
    """The histograms of shares, each counted once; see `select.histogram`.

    Args:
        files: the predictions, and the files of their counts.
        num_classes: number of classes.
        made_from: the `images` and the `teacher` of the predictions.
    """

    def __init__(
        self, files: LabelFiles, num_classes: int, made_from: dict[str, Any]
    ) -> None:
        self._files, self._num_classes = files, num_classes
        self.stamp = files.predictions.stamp(made_from)

    def of(self, shares: Iterable[Share]) -> np.ndarray:
        """Returns the sum of some shares, int64 (num_classes, 101).

        Raises:
            InputError: predictions are damaged.
        """
        return functools.reduce(np.add, map(self.of_share, shares))

    def of_share(self, share: Share) -> np.ndarray:
        """Counts a share, see `of`; returns earlier counts if any."""
        counts = self._read(share)
        if counts is not None:
            return counts
        counts = np.zeros([self._num_classes, len(select.BIN_EDGES)], np.int64)
        predictions = self._files.predictions
        for probabilities in predictions.read(share, self._num_classes):
            labels, top = select.top_classes(probabilities)
            counts += select.histogram(labels, top, self._num_classes)
        value = {"made_from": self.stamp, "counts": counts.tolist()}
        writing.write_json(self._files.counts(share), value, indent=None)
        return counts

    def total(self) -> np.ndarray:
        """Returns the sum of all shares, which are counted; see `of`.

        Raises:
            InputError: some are not counted yet.
        """
        shares = self._files.predictions.shares()
        found = {share: self._read(share) for share in shares}
        missing = [share for share in shares if found[share] is None]
        if missing:
            raise InputError(
                "The thresholds need the counts of all shards; in "
                f"{self._files.counts(missing[0]).parent} those of "
                f"{', '.join(map(str, missing))} are missing. Run "
                "only_get_stats for them first."
            )
        return np.sum(
            [each for each in found.values() if each is not None], axis=0
        )

    def missing(self) -> list[Share]:
        """Returns the shares that are not counted yet."""
        shares = self._files.predictions.shares()
        return [share for share in shares if self._read(share) is None]

    def _read(self, share: Share) -> np.ndarray | None:
        """Reads earlier counts; None if there are none of these predictions."""
        path = self._files.counts(share)
        if not path.exists():
            return None
        found = writing.read_json(path)
        if stamps.differences(found["made_from"], self.stamp):
            return None
        return np.array(found["counts"])

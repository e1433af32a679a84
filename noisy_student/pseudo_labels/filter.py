"""From predictions to pseudo-labelled records: check, count, choose, write.

The thresholds need the counts of all shares; then each share is written on
its own, by any process, task or Beam worker. Counting and writing stream, so
that memory does not grow with the images, and leave a file for each share
that says that it is done:

* `counts/counts-SSSSS-of-NNNNN-WWWWW.json` (see `predictions.py`);
* the records `data/train-SSSSS-of-NNNNN` (`data/train-W-SSSSS-of-NNNNN`
  where workers divide shards), then `tallies/tally-SSSSS-of-NNNNN-WWWWW.json`;
* for all shares `made_from.json`, `samples/` and, at the end, `stats.json`.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from absl import logging

from noisy_student.config import PseudoLabelConfig
from noisy_student.data import sources
from noisy_student.errors import InputError
from noisy_student.files import shards, stamps, writing
from noisy_student.pseudo_labels import select, stats
from noisy_student.pseudo_labels.predictions import PredictionFiles, Share
from noisy_student.pseudo_labels.stats import PseudoLabelStats
from noisy_student.pseudo_labels.write import IMAGES, Tally, write_share


def filter_and_balance(
    data: sources.TaskData,
    predictions: PredictionFiles,
    output_dir: pathlib.Path,
    config: PseudoLabelConfig,
    seed: int,
) -> PseudoLabelStats:
    """Keeps the images that the teacher is sure of, balanced over classes.

    What is done is not done again (Noisy Student, section 2.2).

    Args:
        data: the images; the predictions are of the unlabelled ones.
        predictions: the teacher's, complete.
        output_dir: gets all files.
        config: what to keep.
        seed: of the random copies.

    Returns:
        What was kept, as `stats.json` has it.

    Raises:
        ValueError: predictions are missing or of different teachers.
        InputError: predictions do not fit the images, the directory holds
            pseudo labels of other settings, images or predictions are
            damaged, or no image is kept.
    """
    job = FilterJob(data, predictions, output_dir, config, seed)
    shares = predictions.shares()
    balance = job.choose(job.count(shares))
    job.write(shares, data.require_unlabeled(), balance)
    return job.finish(balance)


class FilterJob:
    """The work of filtering, which tasks and Beam's workers may divide.

    Args:
        data: see `filter_and_balance`.
        predictions: see `filter_and_balance`.
        output_dir: see `filter_and_balance`.
        config: see `filter_and_balance`.
        seed: see `filter_and_balance`.
        counts_dir: gets the counts; None for `output_dir`/counts.
        shares: those whose predictions must be there; None for all.

    Raises:
        ValueError: predictions are missing or of different teachers.
        InputError: predictions do not fit the images, or the directory holds
            pseudo labels of other settings.
    """

    def __init__(
        self,
        data: sources.TaskData,
        predictions: PredictionFiles,
        output_dir: pathlib.Path,
        config: PseudoLabelConfig,
        seed: int,
        counts_dir: pathlib.Path | None = None,
        shares: Iterable[Share] | None = None,
    ) -> None:
        teacher = predictions.check(data, shares)
        self.made_from = stats.check_output(
            output_dir, data, teacher, config, seed
        )
        self.predictions, self.output_dir = predictions, output_dir
        self.counts_dir = counts_dir or output_dir / "counts"
        self.config, self.seed = config, seed
        self.num_classes = data.task.num_classes

    def count(self, shares: Iterable[Share]) -> np.ndarray:
        """Returns the histogram of some shares, see `select.histogram`.

        Raises:
            InputError: predictions are damaged.
        """
        return functools.reduce(np.add, map(self.count_share, shares))

    def count_share(self, share: Share) -> np.ndarray:
        """Counts a share, see `count`; returns earlier counts if any."""
        counts = self._read_counts(share)
        if counts is not None:
            return counts
        counts = np.zeros([self.num_classes, len(select.BIN_EDGES)], np.int64)
        for probabilities in self.predictions.read(share, self.num_classes):
            labels, top = select.top_classes(probabilities)
            counts += select.histogram(labels, top, self.num_classes)
        value = {"made_from": self._counts_stamp(), "counts": counts.tolist()}
        writing.write_json(self.counts_path(share), value, indent=None)
        return counts

    def _read_counts(self, share: Share) -> np.ndarray | None:
        """Reads earlier counts; None if there are none of these predictions."""
        path = self.counts_path(share)
        if not path.exists():
            return None
        found = writing.read_json(path)
        if stamps.differences(found["made_from"], self._counts_stamp()):
            return None
        return np.array(found["counts"])

    def _counts_stamp(self) -> dict[str, Any]:
        return self.predictions.stamp(
            {key: self.made_from[key] for key in ("images", "teacher")}
        )

    def uncounted(self) -> list[Share]:
        """Returns the shares that are not counted yet."""
        shares = self.predictions.shares()
        return [share for share in shares if self._read_counts(share) is None]

    def choose(self, counts: np.ndarray | None = None) -> select.Balance:
        """Chooses what to keep from the counts of all shares; None reads them.

        Raises:
            InputError: some are not counted yet, or no image would be kept.
        """
        if counts is None:
            shares = self.predictions.shares()
            found = {share: self._read_counts(share) for share in shares}
            missing = [str(share) for share in shares if found[share] is None]
            if missing:
                raise InputError(
                    "The thresholds need the counts of all shards; in "
                    f"{self.counts_dir} those of {', '.join(missing)} are "
                    "missing. Run only_get_stats for them first."
                )
            counts = np.sum(
                [each for each in found.values() if each is not None], axis=0
            )
        balance = select.Balance.choose(counts, self.config)
        if self.config.use_all:
            return balance
        if not (balance.totals * balance.copies).any():
            raise InputError(
                "No unlabelled image has a probability of min_threshold="
                f"{self.config.min_threshold} or more; lower it."
            )
        empty = np.flatnonzero(balance.totals == 0)
        if len(empty):
            logging.warning(
                "No unlabelled image is above min_threshold in the classes %s.",
                ", ".join(map(str, empty)),
            )
        return balance

    def write(
        self,
        shares: Iterable[Share],
        images: sources.ImageSource,
        balance: select.Balance,
    ) -> None:
        """Writes the records of some shares, except those written before.

        Args:
            shares: the shares.
            images: all unlabelled images.
            balance: what `choose` chose.

        Raises:
            InputError: images and predictions differ in number, one of them
                is damaged, or the disk has no room.
        """
        unwritten = self.unwritten(shares)
        if unwritten:
            path = self.output_dir / stats.MADE_FROM_FILE
            writing.write_json(path, self.made_from)
        for share in unwritten:
            write_share(
                self.data_path(share),
                self._tally_path(share),
                self.predictions.images(images, share),
                self._select(share, balance),  # drawn as images are read
                self.output_dir / "samples",
                share.shard,
                self.num_classes,
                np.random.default_rng([self.seed, share.shard, share.worker]),
            )

    def unwritten(self, shares: Iterable[Share] | None = None) -> list[Share]:
        """Returns which of some shares (None: of all) are not written yet."""
        shares = self.predictions.shares() if shares is None else shares
        return [share for share in shares if not self._is_written(share)]

    def _is_written(self, share: Share) -> bool:
        """Whether a share was written, and its records are still there."""
        data, tally = self.data_path(share), self._tally_path(share)
        if not tally.exists() or not data.exists():
            return False
        return Tally.load(tally).size == data.stat().st_size

    def _select(
        self, share: Share, balance: select.Balance
    ) -> Iterator[select.Selection]:
        """Yields what becomes of a share's images, some at a time."""
        place, step = share.worker, self.predictions.total_replicas
        rates = balance.sampling_rates(self.config.samples_per_class)
        for probabilities in self.predictions.read(share, self.num_classes):
            places = range(place, place + step * len(probabilities), step)
            yield from balance.select(
                probabilities, places, self.seed, share.shard, rates
            ).blocks(IMAGES)
            place = places.stop

    def finish(self, balance: select.Balance | None = None) -> PseudoLabelStats:
        """Sums up when all shares are written, and says that they are.

        Args:
            balance: what `choose` chose; None chooses again if need be.
        """
        path = self.output_dir / stats.STATS_FILE
        if path.exists():
            return PseudoLabelStats.load(self.output_dir)
        balance = balance or self.choose()
        shares = self.predictions.shares()
        tallies = [Tally.load(self._tally_path(share)) for share in shares]
        per_class = np.sum([tally.per_class for tally in tallies], axis=0)
        kept, written, correct, unknown = per_class.T
        images = sum(tally.images for tally in tallies)
        seconds = sum(tally.seconds for tally in tallies)
        paths = map(self.data_path, shares)
        result = PseudoLabelStats(
            kept=int(kept.sum()),
            records=int(written.sum()),
            correct=None if unknown.any() else int(correct.sum()),
            undecodable=images - int(balance.counts.sum()),
            seconds=round(self.predictions.seconds() + seconds, 1),
            made_from=self.made_from,
            files={path.name: path.stat().st_size for path in paths},
            predicted=balance.counts.sum(axis=1).tolist(),
            above_threshold=balance.totals.tolist(),
            kept_per_class=kept.tolist(),
            records_per_class=written.tolist(),
            threshold=balance.thresholds.tolist(),
        )
        writing.write_json(path, dataclasses.asdict(result))
        return result

    def counts_path(self, share: Share) -> pathlib.Path:
        """A share's predictions, counted by class and probability."""
        name = self.predictions.file_name("counts", share, ".json")
        return self.counts_dir / name

    def data_path(self, share: Share) -> pathlib.Path:
        """A share's pseudo-labelled records."""
        whole = self.predictions.total_replicas == 1
        prefix = "train" if whole else f"train-{share.worker}"
        count = self.predictions.num_shards
        name = shards.shard_name(prefix, share.shard, count)
        return self.output_dir / "data" / name

    def _tally_path(self, share: Share) -> pathlib.Path:
        name = self.predictions.file_name("tally", share, ".json")
        return self.output_dir / "tallies" / name

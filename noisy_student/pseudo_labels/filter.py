"""From predictions to pseudo-labelled records: check, count, choose, write.

The thresholds need the counts of all shares; then each share is written on
its own, by any process, task or Beam worker. Counting and writing stream, so
that memory does not grow with the images, and leave a file for each share
that says that it is done. `stats.json` is written last of all.
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
from noisy_student.files import stamps, writing
from noisy_student.pseudo_labels import layout, select, stats, write


def filter_and_balance(
    data: sources.TaskData,
    predictions: layout.PredictionFiles,
    output_dir: pathlib.Path,
    config: PseudoLabelConfig,
    seed: int,
) -> stats.PseudoLabelStats:
    """Keeps the images that the teacher is sure of, balanced over classes.

    What is done is not done again (Noisy Student, section 2.2).

    Args:
        data: the images; the predictions are of the unlabelled ones.
        predictions: the teacher's, complete.
        output_dir: gets `data/train-SSSSS-of-NNNNN`, some images of each
            class in `samples/` and `stats.json`.
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
    job = FilterJob.plan(data, predictions, output_dir, config, seed)
    shares = job.files.division.shares()
    balance = job.choose(job.count(shares))
    job.write(shares, data.require_unlabeled(), balance)
    return job.finish(balance)


@dataclasses.dataclass(frozen=True)
class FilterJob:
    """The work of filtering, which tasks and Beam's workers may divide.

    Attributes:
        predictions: the teacher's predictions.
        files: the files to write.
        config: what to keep.
        seed: of the random copies.
        num_classes: number of classes.
        made_from: the images, the teacher and the settings.
    """

    predictions: layout.PredictionFiles
    files: layout.FilterFiles
    config: PseudoLabelConfig
    seed: int
    num_classes: int
    made_from: dict[str, Any]

    @classmethod
    def plan(
        cls,
        data: sources.TaskData,
        predictions: layout.PredictionFiles,
        output_dir: pathlib.Path,
        config: PseudoLabelConfig,
        seed: int,
        counts_dir: pathlib.Path | None = None,
        shares: Iterable[layout.Share] | None = None,
    ) -> "FilterJob":
        """Checks what can be known beforehand; see `filter_and_balance`.

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
            InputError: predictions do not fit the images, or the directory
                holds pseudo labels of other settings.
        """
        division = layout.Division.from_config(config)
        assert division == predictions.division  # the callers' doing
        images = data.require_unlabeled()
        teacher = predictions.check(images, data.identity, shares)
        made_from = stats.check_output(output_dir, data, teacher, config, seed)
        counts_dir = counts_dir or output_dir / "counts"
        files = layout.FilterFiles(output_dir, counts_dir, division)
        num_classes = data.task.num_classes
        return cls(predictions, files, config, seed, num_classes, made_from)

    def count(self, shares: Iterable[layout.Share]) -> np.ndarray:
        """Counts the predictions of some shares by class and probability.

        Returns:
            int64 (classes, 101), the sum; see `select.histogram`.

        Raises:
            InputError: predictions are damaged.
        """
        return functools.reduce(np.add, map(self.count_share, shares))

    def count_share(self, share: layout.Share) -> np.ndarray:
        """Counts a share, see `count`; returns earlier counts if any."""
        counts = self._read_counts(share)
        if counts is not None:
            return counts
        counts = np.zeros([self.num_classes, len(select.BIN_EDGES)], np.int64)
        for probabilities in self.predictions.read(share, self.num_classes):
            labels, top = select.top_classes(probabilities)
            counts += select.histogram(labels, top, self.num_classes)
        value = {"made_from": self._counts_stamp(), "counts": counts.tolist()}
        writing.write_json(self.files.counts(share), value, indent=None)
        return counts

    def _read_counts(self, share: layout.Share) -> np.ndarray | None:
        """Reads earlier counts; None if there are none of these predictions."""
        path = self.files.counts(share)
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

    def uncounted(self) -> list[layout.Share]:
        """Returns the shares that are not counted yet."""
        shares = self.files.division.shares()
        return [share for share in shares if self._read_counts(share) is None]

    def all_counts(self) -> np.ndarray:
        """Returns the sum of all shares' counts, as `count` does.

        Raises:
            InputError: some are not counted yet.
        """
        missing = self.uncounted()
        if missing:
            raise InputError(
                "The thresholds need the counts of all shards; in "
                f"{self.files.counts_dir} those of "
                f"{', '.join(map(str, missing))} are missing. Run "
                "only_get_stats for them first."
            )
        return self.count(self.files.division.shares())

    def choose(self, counts: np.ndarray) -> select.Balance:
        """Chooses what to keep, from the counts of all shares.

        Raises:
            InputError: no image would be kept.
        """
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
        shares: Iterable[layout.Share],
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
            path = self.files.output_dir / layout.MADE_FROM_FILE
            writing.write_json(path, self.made_from)
        for share in unwritten:
            tally = write.write_share(
                self.files.data(share),
                self.files.division.images(images, share),
                self._select(share, balance),
                functools.partial(self.files.sample, share.shard),
                self.num_classes,
            )
            path = self.files.tally(share)
            writing.write_json(path, dataclasses.asdict(tally))

    def unwritten(
        self, shares: Iterable[layout.Share] | None = None
    ) -> list[layout.Share]:
        """Returns which of some shares (None: of all) are not written yet."""
        shares = self.files.division.shares() if shares is None else shares
        return [share for share in shares if not self._is_written(share)]

    def _is_written(self, share: layout.Share) -> bool:
        """Whether a share was written, and its records are still there."""
        tally, data = self.files.tally(share), self.files.data(share)
        if not tally.exists() or not data.exists():
            return False
        return stats.Tally.load(tally).size == data.stat().st_size

    def _select(
        self, share: layout.Share, balance: select.Balance
    ) -> Iterator[select.Selection]:
        """Yields what becomes of a share's images, some at a time."""
        rates = balance.sampling_rates(self.config.samples_per_class)
        place, step = share.worker, self.files.division.total_replicas
        for probabilities in self.predictions.read(share, self.num_classes):
            end = place + step * len(probabilities)
            places = range(place, end, step)
            for_copies, for_samples = (
                select.uniform(purpose, self.seed, share.shard, places)
                for purpose in (select.COPIES, select.SAMPLES)
            )
            labels, top = select.top_classes(probabilities)
            copies = balance.draw(labels, top, for_copies)
            sampled = (copies > 0) & (for_samples < rates[labels])
            yield from select.Selection(
                places, probabilities, labels, top, copies, sampled
            ).blocks(write.IMAGES)
            place = end

    def finish(
        self, balance: select.Balance | None = None
    ) -> stats.PseudoLabelStats:
        """Sums up when all shares are written, and says that they are.

        Args:
            balance: what `choose` chose; None chooses again if need be.
        """
        path = self.files.output_dir / layout.STATS_FILE
        if path.exists():
            return stats.PseudoLabelStats.load(self.files.output_dir)
        balance = balance or self.choose(self.all_counts())
        shares = self.files.division.shares()
        tallies = [stats.Tally.load(self.files.tally(s)) for s in shares]
        per_class = np.sum([tally.per_class for tally in tallies], axis=0)
        kept, written, correct, unknown = per_class.T
        images = sum(tally.images for tally in tallies)
        seconds = sum(tally.seconds for tally in tallies)
        paths = [self.files.data(share) for share in shares]
        result = stats.PseudoLabelStats(
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

"""From predictions to pseudo-labelled records: check, count, choose, write.

The thresholds need the counts of all shares; then each share is written on
its own, by any process, task or Beam worker. Counting and writing stream, so
that memory does not grow with the images, and leave a file for each share
that says that it is done:

* `counts/counts-SSSSS-of-NNNNN-WWWWW.json` (see `counts.py`);
* the records `data/train-SSSSS-of-NNNNN` (or other names, see `layout.py`),
  then `tallies/tally-SSSSS-of-NNNNN-WWWWW.json`;
* for all shares `made_from.json`, `samples/` and, at the end, `stats.json`.
"""

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np
from absl import logging
from etils import epath

from noisy_student.config import PseudoLabelConfig
from noisy_student.data import sources
from noisy_student.errors import InputError, listed
from noisy_student.files import disk_space, remote, writing
from noisy_student.pseudo_labels import select, sizes, stats
from noisy_student.pseudo_labels.counts import Counts
from noisy_student.pseudo_labels.layout import LabelFiles
from noisy_student.pseudo_labels.predictions import PredictionFiles, Share
from noisy_student.pseudo_labels.stats import PseudoLabelStats
from noisy_student.pseudo_labels.write import IMAGES, Tally, write_share


def filter_and_balance(
    data: sources.TaskData,
    predictions: PredictionFiles,
    output_dir: epath.Path,
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
    files = LabelFiles(predictions, output_dir)
    job = FilterJob(data, files, config, seed)
    shares = predictions.shares()
    balance = job.choose(job.counts.of(shares))
    job.write(shares, data.require_unlabeled(), balance)
    return job.finish(balance)


class FilterJob:
    """The work of filtering, which tasks and Beam's workers may divide.

    Args:
        data: see `filter_and_balance`.
        files: the predictions, and what is made of them.
        config: see `filter_and_balance`.
        seed: see `filter_and_balance`.
        shares: those whose predictions must be there; None for all.

    Raises:
        ValueError: predictions are missing or of different teachers.
        InputError: predictions do not fit the images, or the directory holds
            pseudo labels of other settings.
    """

    def __init__(
        self,
        data: sources.TaskData,
        files: LabelFiles,
        config: PseudoLabelConfig,
        seed: int,
        shares: Iterable[Share] | None = None,
    ) -> None:
        self.files, self.predictions = files, files.predictions
        teacher = self.predictions.check(data, shares)
        self.made_from = stats.check_output(
            files.output_dir, data, teacher, config, seed
        )
        self.config, self.seed = config, seed
        self.num_classes, self.truth = data.task.num_classes, data.truth
        predicted = {key: self.made_from[key] for key in ("images", "teacher")}
        self.counts = Counts(files, self.num_classes, predicted)

    def choose(self, counts: np.ndarray | None = None) -> select.Balance:
        """Chooses what to keep from the counts of all shares; None reads them.

        Raises:
            InputError: some are not counted yet, or no image would be kept.
        """
        if counts is None:
            counts = self.counts.total()
        balance = select.Balance.choose(counts, self.config)
        if self.config.use_all:
            return balance
        if not (balance.totals * balance.copies).any():
            raise InputError(
                "No unlabelled image has a probability of min_threshold="
                f"{self.config.min_threshold} or more; lower it and go on "
                "with the same command."
            )
        empty = np.flatnonzero(balance.totals == 0)
        if len(empty):
            logging.warning(
                "No unlabelled image has a probability of min_threshold or "
                "more in the classes %s (by number).",
                listed(list(map(str, empty))),
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
            part = len(unwritten) / len(self.predictions.shares())
            size = sizes.of_records(
                images,
                part * balance.num_records,
                self.num_classes,
                self.config.max_side,
            )
            disk_space.check(
                self.files.output_dir, size, "Pseudo-labelled records"
            )
            path = self.files.output_dir / stats.MADE_FROM_FILE
            writing.write_json(path, self.made_from)
        for share in unwritten:
            data = self.files.data(share)
            write_share(
                data,
                self.files.tally(share),
                self.predictions.images(images, share),
                self.selections(share, balance),  # drawn as images are read
                self.files.output_dir / "samples",
                share.shard,
                self.num_classes,
                np.random.default_rng([self.seed, share.shard, share.worker]),
                self.config.max_side,
                self.truth,
            )
            if self.files.original_names and not remote.size(data):
                data.unlink()

    def unwritten(self, shares: Iterable[Share] | None = None) -> list[Share]:
        """Returns which of some shares (None: of all) are not written yet."""
        shares = self.predictions.shares() if shares is None else shares
        return [share for share in shares if not self._is_written(share)]

    def _is_written(self, share: Share) -> bool:
        """Whether a share was written, and its records are still there."""
        data, tally = self.files.data(share), self.files.tally(share)
        if not tally.exists():
            return False
        there = remote.size(data) if data.exists() else 0
        return Tally.load(tally).size == there

    def selections(
        self, share: Share, balance: select.Balance
    ) -> Iterator[select.Selection]:
        """Yields what becomes of a share's images, `IMAGES` at a time.

        Args:
            share: the share, whose predictions are read.
            balance: what `choose` chose.

        Raises:
            InputError: predictions are damaged.
        """
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

        Shares that were compared with the true labels of different files (see
        `TaskData.truth`), because filtering went on with another one, have no
        common accuracy; that of a `stats.json` that is there stays.

        Args:
            balance: what `choose` chose; None chooses again if need be.
        """
        path = self.files.output_dir / stats.STATS_FILE
        if path.exists():
            return PseudoLabelStats.load(path.parent)
        balance = balance or self.choose()
        shares = self.predictions.shares()
        tallies = [Tally.load(self.files.tally(share)) for share in shares]
        per_class = np.sum([tally.per_class for tally in tallies], axis=0)
        kept, written, correct, unknown = per_class.T
        is_known = not unknown.any() and len({t.truth for t in tallies}) == 1
        images = sum(tally.images for tally in tallies)
        seconds = sum(tally.seconds for tally in tallies)
        paths = map(self.files.data, shares)
        result = PseudoLabelStats(
            kept=int(kept.sum()),
            records=int(written.sum()),
            correct=int(correct.sum()) if is_known else None,
            undecodable=images - int(balance.counts.sum()),
            seconds=round(self.predictions.seconds() + seconds, 1),
            made_from=self.made_from,
            files={x.name: remote.size(x) for x in paths if x.exists()},
            predicted=balance.counts.sum(axis=1).tolist(),
            above_threshold=balance.totals.tolist(),
            kept_per_class=kept.tolist(),
            records_per_class=written.tolist(),
            threshold=balance.thresholds.tolist(),
        )
        writing.write_json(path, dataclasses.asdict(result))
        return result

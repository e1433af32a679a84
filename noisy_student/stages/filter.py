"""tools/filter_unlabel.py: filters and balances what was predicted."""

import dataclasses
import json
import pathlib
from collections.abc import Sequence

from absl import logging

from noisy_student import pseudo_labels
from noisy_student.config.tools import FilterSettings
from noisy_student.data.open import open_task
from noisy_student.files import run_directory
from noisy_student.pseudo_labels import beam
from noisy_student.stages.experiment import Stage, required_directory
from noisy_student.stages.predict import prediction_files


@dataclasses.dataclass(eq=False)
class Filter(Stage):
    """Filters and balances predictions.

    Attributes:
        settings: Those of filtering alone.
    """

    settings: FilterSettings

    def validate(self) -> None:
        config, settings = self.config, self.settings
        if config.predict.worker_id is not None:
            raise ValueError(
                "worker_id is for mode=predict; filtering has task."
            )
        self.output_dir = required_directory(
            config.predict.output_dir, "output_dir"
        )
        files = prediction_files(
            config,
            required_directory(settings.prediction_dir, "prediction_dir"),
        )
        self.shares = files.shares(config.predict.shard_id, settings.task)
        if settings.runner is not None:
            beam.check(settings.runner, settings.beam_args)
            some = len(self.shares) < len(files.shares())
            if some or settings.only_get_stats:
                raise ValueError(
                    "runner does all parts and both phases; leave out "
                    "shard_id, task and only_get_stats."
                )
        self.data = open_task(config.data, config.seed)
        counts_dir = settings.prelim_stats_dir
        self.job = pseudo_labels.FilterJob(
            self.data,
            files,
            self.output_dir,
            config.pseudo_labels,
            config.seed,
            pathlib.Path(counts_dir).absolute() if counts_dir else None,
            self.shares if settings.only_get_stats else None,
        )

    def run(self) -> None:
        job, settings = self.job, self.settings
        run_directory.write_class_names(self.output_dir, self.data.class_names)
        balance = None
        if settings.runner is not None:
            beam.run(
                job,
                self.config.data,
                self.config.seed,
                settings.runner,
                settings.beam_args,
            )
        else:
            job.count(self.shares)
            if settings.only_get_stats:
                _print_counts(job)
                return
            if job.unwritten(self.shares):
                balance = job.choose()
                unlabeled = self.data.require_unlabeled()
                job.write(self.shares, unlabeled, balance)
        unwritten = job.unwritten()
        if unwritten:
            _warn_of_missing("written", unwritten)
            return
        print(json.dumps(dataclasses.asdict(job.finish(balance))))


def _print_counts(job: pseudo_labels.FilterJob) -> None:
    """Prints the thresholds, once all shares are counted."""
    missing = job.uncounted()
    if missing:
        _warn_of_missing("counted", missing)
        return
    balance = job.choose()
    names = ("thresholds", "totals", "copies")
    values = {name: getattr(balance, name).tolist() for name in names}
    predicted = balance.counts.sum(axis=1).tolist()
    print(json.dumps({"predicted": predicted} | values))


def _warn_of_missing(verb: str, shares: Sequence[pseudo_labels.Share]) -> None:
    names = ", ".join(map(str, shares))
    logging.warning("Not %s yet are the shards %s.", verb, names)

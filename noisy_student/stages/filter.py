"""tools/filter_unlabel.py: filters and balances what was predicted."""

import dataclasses
import json
import pathlib
from collections.abc import Sequence

from absl import logging

from noisy_student import pseudo_labels
from noisy_student.config import ExperimentConfig
from noisy_student.config.tools import FilterSettings
from noisy_student.data import sources
from noisy_student.files import run_directory
from noisy_student.pseudo_labels import beam
from noisy_student.pseudo_labels import filter as filtering
from noisy_student.stages.experiment import required_directory
from noisy_student.stages.predict import prediction_files


class Filter:
    """Filters and balances predictions; see `stages.Stage`.

    Args:
        config: The settings of the experiment.
        settings: Those of filtering alone.
    """

    def __init__(
        self, config: ExperimentConfig, settings: FilterSettings
    ) -> None:
        self.config, self.settings = config, settings

    def validate(self) -> None:
        """Opens the images and looks at the predictions.

        Raises:
            ValueError: what is wrong, where, and what to do about it.
        """
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
        self.parts = files.division.parts(
            config.predict.shard_id, settings.task
        )
        self._check_runner(len(files.division.parts()))
        self.data = sources.open_task(config.data, config.seed)
        counts_dir = settings.prelim_stats_dir
        self.job = filtering.plan(
            self.data,
            files,
            self.output_dir,
            config.pseudo_labels,
            config.seed,
            pathlib.Path(counts_dir).absolute() if counts_dir else None,
            self.parts if settings.only_get_stats else None,
        )

    def _check_runner(self, num_parts: int) -> None:
        settings = self.settings
        if settings.runner is None:
            return
        beam.check(settings.runner, settings.beam_args)
        if len(self.parts) < num_parts or settings.only_get_stats:
            raise ValueError(
                "runner does all parts and both phases; leave out shard_id, "
                "task and only_get_stats."
            )

    def run(self) -> None:
        """Counts and writes what is missing, and prints statistics."""
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
            filtering.count_parts(job, self.parts)
            if settings.only_get_stats:
                _print_counts(job)
                return
            balance = filtering.write_parts(job, self.data, self.parts)
        missing = filtering.missing_parts(job)
        if missing:
            _warn_of_missing("written", missing)
            return
        stats = filtering.finish(job, balance)
        print(json.dumps(dataclasses.asdict(stats)))


def _print_counts(job: filtering.FilterJob) -> None:
    """Prints the thresholds, once all parts are counted."""
    missing = filtering.uncounted_parts(job)
    if missing:
        _warn_of_missing("counted", missing)
        return
    balance = filtering.choose(job)
    names = ("thresholds", "totals", "copies")
    values = {name: getattr(balance, name).tolist() for name in names}
    predicted = balance.counts.sum(axis=1).tolist()
    print(json.dumps({"predicted": predicted} | values))


def _warn_of_missing(verb: str, parts: Sequence[pseudo_labels.Part]) -> None:
    names = ", ".join(map(str, parts))
    logging.warning("Not %s yet are the shards %s.", verb, names)

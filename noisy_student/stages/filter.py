"""tools/filter_unlabel.py: filters and balances what was predicted."""

import dataclasses
import json
from collections.abc import Sequence

from absl import logging

from noisy_student import pseudo_labels
from noisy_student.config import DataConfig, PseudoLabelConfig
from noisy_student.config.tools import FilterSettings
from noisy_student.data.raw import open_to_label
from noisy_student.files import run_directory
from noisy_student.pseudo_labels import beam, original
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
        output_dir = required_directory(config.predict.output_dir, "output_dir")
        prediction_dir = required_directory(
            settings.prediction_dir, "prediction_dir"
        )
        labels = self._divided()
        files = prediction_files(
            dataclasses.replace(config, pseudo_labels=labels), prediction_dir
        )
        self.shares = self._shares(files)
        self.images = self._images(files)
        self.data = open_to_label(self.images, config.seed)
        counts_dir = settings.prelim_stats_dir
        self.job = pseudo_labels.FilterJob(
            self.data,
            pseudo_labels.LabelFiles(
                files,
                output_dir,
                required_directory(counts_dir, "prelim_stats_dir")
                if counts_dir
                else None,
                original_names=settings.input_dir is not None,
            ),
            labels,
            config.seed,
            self.shares if settings.only_get_stats else None,
        )

    def _divided(self) -> PseudoLabelConfig:
        """What to keep, of shards divided as the predictions are.

        The tasks may be fewer than the workers that predicted.
        """
        labels = self.config.pseudo_labels
        workers = self.settings.total_label_replicas or labels.total_replicas
        if workers % labels.total_replicas:
            raise ValueError(
                f"total_label_replicas={workers} must be a multiple of "
                f"total_replicas={labels.total_replicas}."
            )
        return dataclasses.replace(labels, total_replicas=workers)

    def _shares(
        self, files: pseudo_labels.PredictionFiles
    ) -> list[pseudo_labels.Share]:
        """The shares to do: those of `shard_id` and `task`."""
        settings, task = self.settings, self.settings.task
        tasks = self.config.pseudo_labels.total_replicas
        each = files.total_replicas // tasks
        workers = () if task is None else range(each * task, each * (task + 1))
        shares = files.shares(self.config.predict.shard_id, workers)
        if settings.runner is not None:
            beam.check(settings.runner, settings.beam_args)
            some = len(shares) < len(files.shares())
            if some or settings.only_get_stats:
                raise ValueError(
                    "runner does all parts and both phases; leave out "
                    "shard_id, task and only_get_stats."
                )
        return shares

    def _images(self, files: pseudo_labels.PredictionFiles) -> DataConfig:
        """What names the images: `input_dir`, or else the task's settings."""
        data, directory = self.config.data, self.settings.input_dir
        if directory is None:
            return data
        if data.label_data_dir is not None:
            raise ValueError(
                f"input_dir={directory} and label_data_dir="
                f"{data.label_data_dir} both say which images these are; leave "
                "out one of them."
            )
        files.require(self.shares)
        stated, found = data.num_label_classes, files.num_classes(self.shares)
        if None not in (stated, found) and stated != found:
            raise ValueError(
                f"{files.output_dir} holds predictions of {found} classes, and "
                f"num_label_classes is {stated}."
            )
        return dataclasses.replace(
            data,
            task_name="records",  # a task's facts are not needed
            label_data_dir=directory,
            file_prefix=data.file_prefix or "train",
            num_label_classes=stated or found,
        )

    def run(self) -> None:
        job, settings = self.job, self.settings
        run_directory.write_class_names(
            job.files.output_dir, self.data.class_names
        )
        balance = None
        if settings.runner is not None:
            beam.run(
                job,
                self.images,
                self.config.seed,
                settings.runner,
                settings.beam_args,
            )
        else:
            job.counts.of(self.shares)
            if settings.only_get_stats:
                _print_counts(job)
                return
            if job.unwritten(self.shares):
                balance = job.choose()
                unlabeled = self.data.require_unlabeled()
                job.write(self.shares, unlabeled, balance)
        unwritten = job.unwritten()
        if unwritten:
            warn_of_missing("written", unwritten)
            return
        stats = job.finish(balance)
        if job.files.original_names:
            original.write_stats(job.files, stats)
        print(json.dumps(dataclasses.asdict(stats)))


def _print_counts(job: pseudo_labels.FilterJob) -> None:
    """Prints the thresholds, once all shares are counted."""
    missing = job.counts.missing()
    if missing:
        warn_of_missing("counted", missing)
        return
    balance = job.choose()
    if job.files.original_names:
        original.write_thresholds(
            job.files.output_dir, balance.thresholds, balance.totals
        )
    names = ("thresholds", "totals", "copies")
    values = {name: getattr(balance, name).tolist() for name in names}
    predicted = balance.counts.sum(axis=1).tolist()
    print(json.dumps({"predicted": predicted} | values))


def warn_of_missing(verb: str, shares: Sequence[pseudo_labels.Share]) -> None:
    """Names the shares that other tasks have not done yet."""
    names = ", ".join(map(str, shares))
    logging.warning("Not %s yet are the shards %s.", verb, names)

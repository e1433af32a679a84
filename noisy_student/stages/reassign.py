"""`--mode=predict --reassign_label`: labels filtered images anew.

Filtered records are images like any others: they are predicted and, with
`use_all`, written by the same functions, so that all of them are kept.
"""

import dataclasses
import json

from etils import epath

from noisy_student import models, pseudo_labels
from noisy_student.config import ExperimentConfig
from noisy_student.config.paths import absolute, to_path
from noisy_student.data import raw, records, sources, tfrecords
from noisy_student.data.open import open_task
from noisy_student.pseudo_labels import layout
from noisy_student.stages.experiment import (
    Experiment,
    Stage,
    required_directory,
    resolve_model,
)
from noisy_student.stages.filter import warn_of_missing
from noisy_student.stages.predict import (
    chosen_shares,
    label_files,
    label_images,
    local_devices,
    teacher_identity,
)


@dataclasses.dataclass(frozen=True)
class _Filtered:
    """Filtered images, and how they are divided.

    Attributes:
        data: The images, as the unlabelled ones.
        num_shards: Number of shards.
        workers: Number of workers that divide each shard.
    """

    data: sources.TaskData
    num_shards: int
    workers: int = 1


class Reassign(Stage):
    """Labels filtered images anew.

    They are those of `unlabel_data_dir`, all at once; or with `file_prefix`
    those of `label_data_dir`, by shard, in the original program's layout.
    """

    def validate(self) -> None:
        config = self.config
        self.output_dir = required_directory(
            config.predict.output_dir, "output_dir"
        )
        self.teacher = resolve_model(config)
        devices = local_devices(config)
        original = config.data.file_prefix is not None
        filtered = (_by_shard if original else _at_once)(
            config, self.output_dir
        )
        settings = dataclasses.replace(
            config.pseudo_labels,
            num_shards=filtered.num_shards,
            total_replicas=filtered.workers,
            use_all=True,
        )
        config = dataclasses.replace(config, pseudo_labels=settings)
        self.experiment = Experiment(config, filtered.data, devices)
        models.check_pretrained(str(self.teacher), self.experiment.model)
        predictions = label_files(config, self.output_dir)
        self.shares = chosen_shares(config, predictions)
        self.files = pseudo_labels.LabelFiles(
            predictions,
            self.output_dir,
            original_names=original,
            data_dir="" if original else layout.DATA_DIR,
        )
        teacher = teacher_identity(self.teacher, config.noise, config.seed)
        pseudo_labels.check_output(
            self.output_dir, filtered.data, teacher, settings, config.seed
        )
        predictions.check_made_from(
            {"images": filtered.data.identity, "teacher": teacher}
        )

    def run(self) -> None:
        config, data = self.experiment.config, self.experiment.data
        files, shares = self.files, self.shares
        label_images(
            self.experiment,
            self.teacher,
            files.predictions,
            config.seed,
            shares,
        )
        job = pseudo_labels.FilterJob(
            data, files, config.pseudo_labels, config.seed, shares
        )
        # The other shards' counts, not known yet, are taken to be alike: as
        # everything is kept, they only say how rare a sample is.
        everything = len(files.predictions.shares())
        counts = job.counts.of(shares) * everything // len(shares)
        job.write(shares, data.require_unlabeled(), job.choose(counts))
        unwritten = job.unwritten()
        if unwritten:
            warn_of_missing("written", unwritten)
            return
        print(json.dumps(dataclasses.asdict(job.finish())))


def _at_once(config: ExperimentConfig, output_dir: epath.Path) -> _Filtered:
    """The filtered images of `unlabel_data_dir`, a shard each file."""
    filtered = required_directory(
        config.data.unlabel_data_dir, "unlabel_data_dir"
    )
    predict = config.predict
    if predict.shard_id or predict.worker_id is not None:
        raise ValueError(
            "reassign_label does all shards; leave out shard_id and "
            "worker_id, or name the records by file_prefix and label_data_dir."
        )
    _check_apart(filtered, "unlabel_data_dir", output_dir)
    data = open_task(config.data, config.seed)
    data = pseudo_labels.all_filtered(data, filtered)
    return _Filtered(data, len(data.require_unlabeled().record_paths))


def _by_shard(config: ExperimentConfig, output_dir: epath.Path) -> _Filtered:
    """The filtered images of `label_data_dir`, divided as their files are."""
    prefix, num_shards = (
        config.data.file_prefix,
        config.pseudo_labels.num_shards,
    )
    assert prefix is not None  # the caller looked
    filtered, *more = raw.directories(config.data)
    if more:
        raise ValueError("reassign_label takes one label_data_dir.")
    _check_apart(filtered, "label_data_dir", output_dir)
    source, workers = pseudo_labels.filtered_shards(
        filtered, prefix, num_shards
    )
    num_classes = _num_classes(config, source)
    data = raw.records_alone(config.data, source, num_classes)
    data = pseudo_labels.with_filtered(data, source, filtered)
    return _Filtered(data, num_shards, workers)


def _check_apart(
    filtered: epath.Path, flag: str, output_dir: epath.Path
) -> None:
    if absolute(str(filtered)) == absolute(str(output_dir)):
        raise ValueError(
            f"output_dir and {flag} are both {filtered}; name another "
            "output_dir."
        )


def _num_classes(
    config: ExperimentConfig, source: tfrecords.RecordSource
) -> int:
    """The number of classes that filtered records say.

    Raises:
        ValueError: they say none, or `num_label_classes` is another one.
    """
    stated = config.data.num_label_classes
    path = next(file.path for file in source.files if file.number)
    found = records.first_probabilities(to_path(path))
    if found is None or not found.any():
        raise ValueError(
            f"{path} has no pseudo labels to replace: its probabilities are "
            "missing or all zero; name the output of tools/filter_unlabel.py."
        )
    if stated not in (None, len(found)):
        raise ValueError(
            f"{path} has probabilities of {len(found)} classes, and "
            f"num_label_classes is {stated}."
        )
    return len(found)

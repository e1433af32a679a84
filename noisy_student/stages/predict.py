"""`--mode=predict`: a teacher's probabilities for the unlabelled images.

`make_pseudo_labels` does that and what follows: it filters and balances.
"""

import dataclasses
import functools
import hashlib
import json
import pathlib
from collections.abc import Collection

from noisy_student import models, pseudo_labels
from noisy_student.config import ExperimentConfig
from noisy_student.data import decoding, pipelines, tfrecords
from noisy_student.errors import InputError
from noisy_student.files import run_directory
from noisy_student.stages.experiment import (
    Experiment,
    Stage,
    required_directory,
    resolve_model,
)
from noisy_student.training import distribution


class Predict(Stage):
    """Labels the unlabelled images."""

    def validate(self) -> None:
        config = self.config
        self.output_dir = required_directory(
            config.predict.output_dir, "output_dir"
        )
        self.teacher = resolve_model(config)
        self.files = prediction_files(config, self.output_dir)
        self.shares = self.files.shares(
            config.predict.shard_id, config.predict.worker_id
        )
        self.experiment = Experiment.open(config, local_devices(config))
        self.experiment.data.require_unlabeled()

    def run(self) -> None:
        names = self.experiment.data.class_names
        run_directory.write_class_names(self.output_dir, names)
        label_images(self.experiment, self.teacher, self.files, self.shares)


class Reassign(Stage):
    """Labels filtered images anew (`--reassign_label`).

    The filtered records are images like any others: they are predicted and,
    with `use_all`, written by the same functions, so that all of them are
    kept.
    """

    def validate(self) -> None:
        config = self.config
        predict = config.predict
        self.output_dir = required_directory(predict.output_dir, "output_dir")
        self.teacher = resolve_model(config)
        filtered = required_directory(
            config.data.unlabel_data_dir, "unlabel_data_dir"
        )
        if predict.shard_id or predict.worker_id is not None:
            raise ValueError(
                "reassign_label does all shards; leave out shard_id and "
                "worker_id."
            )
        if filtered.resolve() == self.output_dir.resolve():
            raise ValueError(
                f"output_dir and unlabel_data_dir are both {filtered}; name "
                "another output_dir."
            )
        paths = pseudo_labels.record_paths(filtered)
        opened = Experiment.open(config, local_devices(config))
        pseudo_labels.check_records(filtered, opened.data.identity)
        data = dataclasses.replace(
            opened.data,
            unlabeled=tfrecords.from_files(paths, str(filtered)),
            identity=opened.data.identity
            | pseudo_labels.reassigned_from(filtered),
        )
        settings = dataclasses.replace(
            config.pseudo_labels,
            num_shards=len(paths),
            total_replicas=1,
            use_all=True,
        )
        config = dataclasses.replace(config, pseudo_labels=settings)
        self.experiment = Experiment(config, data, opened.devices)
        teacher = digest(self.teacher)
        pseudo_labels.check_output(
            self.output_dir, data, teacher, settings, config.seed
        )
        label_files(config, self.output_dir).check_made_from(
            {"images": data.identity, "teacher": teacher}
        )

    def run(self) -> None:
        stats = make_pseudo_labels(
            self.experiment, self.teacher, self.output_dir, self.config.seed
        )
        print(json.dumps(dataclasses.asdict(stats)))


def prediction_files(
    config: ExperimentConfig, directory: pathlib.Path
) -> pseudo_labels.PredictionFiles:
    """The files of a teacher's predictions in a directory."""
    info_dir = config.predict.info_dir
    return pseudo_labels.PredictionFiles(
        directory,
        pathlib.Path(info_dir).absolute() if info_dir else directory / "info",
        config.pseudo_labels.num_shards,
        config.pseudo_labels.total_replicas,
    )


def local_devices(config: ExperimentConfig) -> distribution.Devices:
    """The devices of this process; several divide the work by flags.

    Raises:
        ValueError: `distribution` is `multi_worker`.
    """
    if config.run.distribution == "multi_worker":
        raise ValueError(
            "distribution=multi_worker is for training; mode=predict is "
            "divided by shard_id and worker_id."
        )
    return distribution.make_devices(config.run, several_workers=False)


def label_images(
    experiment: Experiment,
    teacher: pathlib.Path,
    files: pseudo_labels.PredictionFiles,
    shares: Collection[pseudo_labels.Share] | None = None,
) -> None:
    """Predicts the unlabelled images with a teacher.

    Args:
        experiment: Its `data.unlabeled` must be there.
        teacher: A `.keras` file.
        files: Where the predictions go.
        shares: Those to predict, None for all; finished ones are passed over.

    Raises:
        ValueError: finished shares are of other images or another teacher,
            or the teacher takes images of another size than the settings say.
    """
    data = experiment.data
    made_from = {"images": data.identity, "teacher": digest(teacher)}
    files.check_made_from(made_from)
    missing = files.missing(shares)
    if not missing:
        return
    with experiment.devices.own.scope():
        model = models.load_model(teacher)
        side = model.input_shape[1]
        asked = experiment.config.data.input_image_size
        if asked not in (None, side):
            raise InputError(
                f"The teacher {teacher} takes images of {side} pixels; leave "
                f"out input_image_size={asked}."
            )
        batches = functools.partial(
            pipelines.plain_images,
            image_format=experiment.image_format(side),
            batch_size=experiment.config.run.eval_batch_size,
            warnings=decoding.SkipWarnings(),
            input_config=experiment.config.input_pipeline,
        )
        pseudo_labels.predict(
            model, data.require_unlabeled(), batches, files, missing, made_from
        )


def digest(path: pathlib.Path) -> str:
    """SHA-256 of a file: tells a teacher from others."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def label_files(
    config: ExperimentConfig, directory: pathlib.Path
) -> pseudo_labels.PredictionFiles:
    """The predictions in a directory that gets pseudo labels, too."""
    return pseudo_labels.PredictionFiles(
        directory / "predictions",
        directory / "info",
        config.pseudo_labels.num_shards,
        config.pseudo_labels.total_replicas,
    )


def make_pseudo_labels(
    experiment: Experiment,
    teacher: pathlib.Path,
    directory: pathlib.Path,
    seed: int,
) -> pseudo_labels.PseudoLabelStats:
    """Predicts the unlabelled images, and filters and balances the labels.

    The workers share the prediction; the chief filters.

    Args:
        experiment: Of the student.
        teacher: A `.keras` file.
        directory: Gets the predictions and the records.
        seed: Of the random copies.
    """
    config, devices = experiment.config, experiment.devices
    files = label_files(config, directory)
    shares = files.shares()[devices.worker :: devices.num_workers]
    label_images(experiment, teacher, files, shares)
    devices.wait_for_all()
    if devices.is_chief:
        pseudo_labels.filter_and_balance(
            experiment.data, files, directory, config.pseudo_labels, seed
        )
    devices.wait_for_all()
    return pseudo_labels.PseudoLabelStats.load(directory)

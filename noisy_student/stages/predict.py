"""`--mode=predict`: a teacher's probabilities for the unlabelled images.

`make_pseudo_labels` does that and what follows: it filters and balances.
"""

import dataclasses
import functools
from collections.abc import Collection, Iterable

import keras
from etils import epath

from noisy_student import models, pseudo_labels
from noisy_student.config import ExperimentConfig, NoiseConfig
from noisy_student.config.settings import changed
from noisy_student.data import batching, decoding, plain, sources, views
from noisy_student.data.raw import open_to_label
from noisy_student.errors import InputError
from noisy_student.files import disk_space, run_directory
from noisy_student.stages import training_input
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
        if config.predict.output is not None:
            raise ValueError(
                f"output={config.predict.output} is for the labels of a folder "
                "of images; set image_dir to it."
            )
        self.output_dir = required_directory(
            config.predict.output_dir, "output_dir"
        )
        self.teacher = resolve_model(config)
        self.files = prediction_files(config, self.output_dir)
        self.shares = chosen_shares(config, self.files)
        devices = local_devices(config)
        distribution.check_batch_size(
            "eval_batch_size",
            config.run.eval_batch_size,
            devices.own.num_replicas_in_sync,
        )
        data = open_to_label(config.data, config.seed)
        data.require_unlabeled()
        self.experiment = Experiment(config, data, devices)
        models.check_pretrained(str(self.teacher), self.experiment.model)

    def run(self) -> None:
        names = self.experiment.data.class_names
        run_directory.write_class_names(self.output_dir, names)
        label_images(
            self.experiment,
            self.teacher,
            self.files,
            self.config.seed,
            self.shares,
        )


def prediction_files(
    config: ExperimentConfig, directory: epath.Path
) -> pseudo_labels.PredictionFiles:
    """The files of a teacher's predictions in a directory."""
    info_dir = config.predict.info_dir
    return pseudo_labels.PredictionFiles(
        directory,
        required_directory(info_dir, "info_dir")
        if info_dir
        else directory / "info",
        config.pseudo_labels.num_shards,
        config.pseudo_labels.total_replicas,
        config.pseudo_labels.only_use_num_shards,
    )


def chosen_shares(
    config: ExperimentConfig, files: pseudo_labels.PredictionFiles
) -> list[pseudo_labels.Share]:
    """The shares that `shard_id` and `worker_id` ask for.

    Raises:
        ValueError: there are none of that number.
    """
    worker = config.predict.worker_id
    workers = () if worker is None else (worker,)
    return files.shares(config.predict.shard_id, workers)


def local_devices(
    config: ExperimentConfig,
    instead: str = "mode=predict is divided by shard_id and worker_id",
) -> distribution.Devices:
    """The devices of this process.

    Args:
        config: The settings.
        instead: What several processes do, for the message.

    Raises:
        ValueError: `distribution` is `multi_worker`.
    """
    if config.run.distribution == "multi_worker":
        raise ValueError(
            f"distribution=multi_worker is for training; {instead}."
        )
    return distribution.make_devices(config.run, several_workers=False)


def label_images(
    experiment: Experiment,
    teacher: epath.Path,
    files: pseudo_labels.PredictionFiles,
    seed: int,
    shares: Collection[pseudo_labels.Share] | None = None,
) -> None:
    """Predicts the unlabelled images with a teacher.

    Args:
        experiment: Its `data.unlabeled` must be there.
        teacher: A `.keras` file, or the prefix of the original's checkpoint.
        files: Where the predictions go.
        seed: Of the noise, with `noise_teacher`.
        shares: Those to predict, None for all; finished ones are passed over.

    Raises:
        ValueError: finished shares are of other images or another teacher,
            or the teacher takes images of another size than the settings say.
    """
    data = experiment.data
    identity = teacher_identity(teacher, experiment.config.noise, seed)
    made_from = {"images": data.identity, "teacher": identity}
    files.check_made_from(made_from)
    missing = files.missing(shares)
    if not missing:
        return
    needed = size_of_predictions(data, files, missing)
    disk_space.check(files.output_dir, needed, "Predictions")
    with experiment.devices.own.scope():
        model = models.load_pretrained(str(teacher), experiment.model)
        side = model.input_shape[1]
        asked = experiment.config.data.input_image_size
        if asked not in (None, side):
            raise InputError(
                f"The teacher {teacher} takes images of {side} pixels; leave "
                f"out input_image_size={asked}."
            )
        predictor = _predictor(experiment, model, seed)
        unlabeled = data.require_unlabeled()
        pseudo_labels.predict(predictor, unlabeled, files, missing, made_from)


def teacher_identity(teacher: epath.Path, noise: NoiseConfig, seed: int) -> str:
    """What tells a teacher's predictions from others': its digest.

    Under noise it is another teacher, and the noise is part of its name.

    Args:
        teacher: See `label_images`.
        noise: The settings of the experiment that labels.
        seed: Of the noise.
    """
    if not noise.noise_teacher:
        return models.digest(teacher)
    made_by = dataclasses.replace(
        noise.of_unlabeled(), unl_aug=None, noise_teacher=False
    )
    words = [f"{k}={v}" for k, v in changed(made_by).items()]
    return " ".join([models.digest(teacher), "noised:", f"{seed=}", *words])


def _predictor(
    experiment: Experiment, model: keras.Model, seed: int
) -> pseudo_labels.Predictor:
    config = experiment.config
    size, threads = config.run.eval_batch_size, config.input_pipeline
    image_format = experiment.image_format(model.input_shape[1])
    warnings = decoding.SkipWarnings()
    if config.noise.noise_teacher:
        spec = views.BatchSpec(
            image_format,
            config.noise.of_unlabeled(),
            batching.CHUNK,
            seed,
            noise_form=training_input.host_noise_form(experiment),
            input=threads,
        )
        noised = functools.partial(
            plain.noised_images, spec=spec, warnings=warnings
        )
        return pseudo_labels.NoisedPredictor(model, noised, size, seed)
    batches = functools.partial(
        plain.plain_images,
        image_format=image_format,
        warnings=warnings,
        input_config=threads,
    )
    return pseudo_labels.Predictor(model, batches, size)


def size_of_predictions(
    data: sources.TaskData,
    files: pseudo_labels.PredictionFiles,
    shares: Iterable[pseudo_labels.Share] | None = None,
) -> int:
    """Bytes that the predictions of some shares will take.

    Args:
        data: Its `unlabeled` must be there.
        files: How the images are divided.
        shares: The shares; None for all that are missing.
    """
    images = data.require_unlabeled()
    shares = files.missing() if shares is None else shares
    count = sum(files.images(images, share).num_images for share in shares)
    return pseudo_labels.sizes.of_predictions(count, data.task.num_classes)


def label_files(
    config: ExperimentConfig, directory: epath.Path
) -> pseudo_labels.PredictionFiles:
    """The predictions in a directory that gets pseudo labels, too."""
    return pseudo_labels.PredictionFiles(
        directory / "predictions",
        directory / "info",
        config.pseudo_labels.num_shards,
        config.pseudo_labels.total_replicas,
        config.pseudo_labels.only_use_num_shards,
    )


def make_pseudo_labels(
    experiment: Experiment,
    teacher: epath.Path,
    directory: epath.Path,
    seed: int,
) -> pseudo_labels.PseudoLabelStats:
    """Predicts the unlabelled images, and filters and balances the labels.

    The workers share the prediction; the chief filters.

    Args:
        experiment: Of the student.
        teacher: A `.keras` file, or the prefix of the original's checkpoint.
        directory: Gets the predictions and the records.
        seed: Of the random copies, and of the teacher's noise.
    """
    config, devices = experiment.config, experiment.devices
    files = label_files(config, directory)
    shares = files.shares()[devices.worker :: devices.num_workers]
    label_images(experiment, teacher, files, seed, shares)
    devices.wait_for_all()
    if devices.is_chief:
        pseudo_labels.filter_and_balance(
            experiment.data, files, directory, config.pseudo_labels, seed
        )
    devices.wait_for_all()
    return pseudo_labels.PseudoLabelStats.load(directory)

"""`--mode=train`: trains one model in one run directory.

Self-training trains each generation by the same `check_training` and
`train_model`.
"""

import dataclasses
import functools
import json

import keras
import tensorflow as tf
from etils import epath

from noisy_student import methods, models, pseudo_labels, training
from noisy_student.config import ExperimentConfig
from noisy_student.config.paths import to_path
from noisy_student.data import decoding, validation
from noisy_student.methods import ramps
from noisy_student.stages import training_input
from noisy_student.stages.experiment import Experiment, Stage, open_and_claim
from noisy_student.stages.training_input import Unlabeled
from noisy_student.training import distribution, schedules, strategies

NEEDS_VALIDATION = (
    "chooses by validation images, never by test images, and there are none: "
    "set validation_fraction or validation_split, with enough labelled images, "
    "or leave it out."
)


class Train(Stage):
    """Trains one model."""

    def validate(self) -> None:
        if self.config.self_training.teacher_run_dir is not None:
            raise ValueError(
                "teacher_run_dir is for mode=self_train; leave it out, or name "
                "a teacher by teacher_model_path."
            )
        models.check_name(self.config.model)
        self._records = _records(self.config)
        self.unlabeled = Unlabeled()
        self.experiment = open_and_claim(self.config, self._check)

    def _check(self, experiment: Experiment) -> None:
        if self._records:
            pseudo_labels.check_records(
                self._records,
                experiment.data.identity,
                experiment.devices.num_workers,
            )
        unlabeled = Unlabeled.open(experiment, self._records)
        validation.check_apart(experiment.config.data)
        check_training(experiment, unlabeled)
        teacher = self._load_teacher(experiment)
        self.unlabeled = dataclasses.replace(unlabeled, teacher=teacher)

    def _load_teacher(self, experiment: Experiment) -> keras.Model | None:
        """Loads the teacher that labels images in the step, if one does."""
        train = self.config.train
        if train.teacher_model_path is None:
            return None
        path = models.resolve_model_path(train.teacher_model_path)
        # At a resolution of its own, whatever the student's is.
        teacher = experiment.config.model.for_task(experiment.data.task, None)
        with experiment.devices.strategy.scope():
            return models.load_teacher(path, train.teacher_model_name, teacher)

    def run(self) -> None:
        devices = self.experiment.devices
        with devices.watching_workers():
            metrics = train_model(
                self.experiment, self.config.seed, "train", self.unlabeled
            )
        if devices.is_chief:
            print(json.dumps(metrics))


def _records(config: ExperimentConfig) -> epath.Path | None:
    """The pseudo-labelled records to learn from; None where there are none."""
    train, given = config.train, config.data.unlabel_data_dir
    if not methods.find(train.method).needs_teacher:
        if given is not None or train.teacher_model_path is not None:
            raise ValueError(
                "unlabel_data_dir and teacher_model_path need unlabel_ratio "
                "above 0 and a method that learns from a teacher; "
                f"{train.method} does not."
            )
        return None
    if given is None:
        # The method itself complains of a ratio of 0.
        if train.teacher_model_path is None and train.unlabel_ratio:
            raise ValueError(
                f"unlabel_ratio={train.unlabel_ratio} needs pseudo-labelled "
                "images or a teacher: set unlabel_data_dir to the output_dir "
                "of tools/filter_unlabel.py, or set teacher_model_path."
            )
        return None
    directory = to_path(given)
    pseudo_labels.record_paths(directory)
    return directory


def check_training(
    experiment: Experiment,
    unlabeled: Unlabeled,
    start_exists: bool = True,
) -> None:
    """Refuses what would fail only after hours; costs little.

    Args:
        experiment: Its `config.model` and `config.train` are to be trained.
        unlabeled: Its unlabelled images, as far as they are known.
        start_exists: Whether `init_weights` are there already; else an earlier
            stage of this run makes them.

    Raises:
        ValueError: the model cannot take the images or the given weights,
            the method lacks unlabelled images or does not fit the devices,
            the batch does not fit the replicas, or the schedule does not fit
            the steps.
    """
    config, train = experiment.config, experiment.config.train
    strategy = experiment.devices.strategy
    replicas = strategy.num_replicas_in_sync
    num_labeled = experiment.data.labeled.num_images
    on_tpu = isinstance(strategy, tf.distribute.TPUStrategy)
    models.check_model(experiment.model, replicas, on_tpu)
    training_input.check_noise(config)
    context = training_input.method_context(experiment, unlabeled)
    if not training.is_finished(config.directory):
        methods.find(train.method).check(context)
    check_worker_state(train.method, strategy)
    ramps.Ramps.from_config(train, num_labeled)
    schedules.learning_rate(train, num_labeled)
    unlabeled_size = context.train.unlabeled_batch_size
    if context.train.unlabel_ratio and not unlabeled_size:
        raise ValueError(
            f"unlabel_ratio={train.unlabel_ratio} of "
            f"{train.labels_per_step:g} labelled images a step is less than "
            "one image."
        )
    parts = train.accumulation_steps
    for name, size, pieces in (
        ("train_batch_size", train.train_batch_size, parts),
        ("train_batch_size x unlabel_ratio", unlabeled_size, parts),
        ("eval_batch_size", config.run.eval_batch_size, 1),
    ):
        distribution.check_batch_size(name, size, replicas, pieces)
    workers = experiment.devices.num_workers
    if num_labeled < workers:
        raise ValueError(
            f"{workers} workers cannot share {num_labeled} labelled images; "
            "use fewer workers."
        )
    _check_choice(experiment)
    if start_exists:
        _check_start(experiment)


def _check_choice(experiment: Experiment) -> None:
    """Refuses to choose weights without images to choose by.

    Raises:
        ValueError: there are none.
    """
    train = experiment.config.train
    if experiment.validation is not None:
        return
    for name, value in (
        ("keep=best", train.keep == "best"),
        (
            f"early_stopping_evals={train.early_stopping_evals}",
            train.early_stopping_evals is not None,
        ),
    ):
        if value:
            raise ValueError(f"{name} {NEEDS_VALIDATION}")


def check_worker_state(method: str, strategy: tf.distribute.Strategy) -> None:
    """Refuses state of each worker's images where hosts are no workers.

    Raises:
        ValueError: one process feeds several hosts, whose images have the
            same places, and the method keeps something of each place.
    """
    hosts = strategies.num_hosts(strategy)
    keeps = methods.find(method).worker_state is not methods.Method.worker_state
    if hosts > 1 and keeps:
        raise ValueError(
            f"method={method} keeps what it knows of each worker's images, and "
            f"would mix up those of this TPU's {hosts} hosts; use a TPU of one "
            "host, GPUs, or a method without worker_state."
        )


def _check_start(experiment: Experiment) -> None:
    """Refuses given weights that do not fit, and fresh ones where others must.

    Raises:
        ValueError: the weights do not fit; or they are fresh, and blocks
            would be frozen, or only the end of the schedule trained.
    """
    train = experiment.config.train
    if train.init_weights is not None:
        models.check_fits(
            train.init_weights, experiment.model, train.allow_new_head
        )
        return
    given = experiment.model.frozen
    if train.train_last_step_num is not None:
        given = f"train_last_step_num={train.train_last_step_num}"
    if given is not None:
        raise ValueError(
            f"{given} is for weights that were trained before, and this model "
            "starts from fresh ones: set init_weights or leave it out."
        )


def train_model(
    experiment: Experiment,
    seed: int,
    description: str,
    unlabeled: Unlabeled,
) -> dict:
    """Trains a model in its run directory, from wherever it stopped.

    Args:
        experiment: Its `config` says which model is trained, how and where.
        seed: Of initial weights, order and noise.
        description: Of the progress bar.
        unlabeled: The unlabelled images, for methods that need them.

    Returns:
        The evaluation on the test images; see `training.train`.
    """
    run = training_run(experiment, seed, description, unlabeled)
    paths = list(experiment.data.record_paths)
    if experiment.validation is not None:
        paths += experiment.validation.record_paths
    if unlabeled.images is not None:
        paths += unlabeled.images.record_paths
    with decoding.input_errors(paths):
        return training.train(run)


def training_run(
    experiment: Experiment,
    seed: int,
    description: str,
    unlabeled: Unlabeled,
) -> training.TrainingRun:
    """Describes a training; see `train_model`."""
    config, data = experiment.config, experiment.data
    context = training_input.method_context(experiment, unlabeled)
    method = methods.find(config.train.method).from_context(context)
    side = models.input_side(experiment.model)
    return training.TrainingRun(
        directory=config.directory,
        model_config=experiment.model,
        train_config=context.train,
        run_config=config.run,
        method=method,
        batches=functools.partial(
            training_input.replica_batches, experiment, method, unlabeled, seed
        ),
        num_labeled=data.labeled.num_images,
        evaluator=experiment.accuracy(side),
        devices=experiment.devices,
        seed=seed,
        description=description,
        prepare=training_input.step_noise(experiment),
        validator=experiment.validation_accuracy(side),
    )

"""Puts the parts together: from settings and images to one stage's work.

Each function is a stage with explicit inputs and a finished artefact on disk.
`self_training.py` orders them; the modes `train`, `predict` and `eval` run
one alone.
"""

import dataclasses
import functools
import hashlib
import pathlib

import keras
import tensorflow as tf

from noisy_student import (
    evaluation,
    inputs,
    methods,
    models,
    pseudo_labels,
    training,
)
from noisy_student.config import ExperimentConfig, ModelConfig, TrainConfig
from noisy_student.data import decoding, pipelines, sources
from noisy_student.methods import ramps
from noisy_student.training import distribution, schedules


def model_for_task(
    config: ExperimentConfig, model: ModelConfig, data: sources.TaskData
) -> ModelConfig:
    """Fills in what the task decides: classes, normalisation, resolution."""
    return model.for_task(data.task, config.data.input_image_size)


def check_training(
    config: ExperimentConfig,
    model: ModelConfig,
    train: TrainConfig,
    data: sources.TaskData,
    devices: distribution.Devices,
    records: pathlib.Path | None = None,
) -> None:
    """Refuses what would fail only after hours; costs little.

    Args:
        config: of the experiment.
        model: which one.
        train: its optimisation.
        data: its images.
        devices: that train.
        records: pseudo-labelled ones, where they are there.

    Raises:
        ValueError: the model cannot take the images or the given weights,
            the method lacks unlabelled images, the batch does not fit the
            replicas, or the schedule not the steps.
    """
    replicas = devices.strategy.num_replicas_in_sync
    model = model_for_task(config, model, data)
    models.check_model(model, replicas)
    method, train = _method_of(train)
    teaching = inputs.Teaching(records)
    method.check(_context(config, train, data, devices, teaching))
    ramps.Ramps.from_config(train, data.labeled.num_images)
    if train.unlabel_ratio and not train.unlabeled_batch_size:
        raise ValueError(
            f"unlabel_ratio={train.unlabel_ratio} of "
            f"{train.labels_per_step:g} labelled images a step is less than "
            "one image."
        )
    schedules.learning_rate(train, data.labeled.num_images)
    for name, size, parts in (
        ("train_batch_size", train.train_batch_size, train.accumulation_steps),
        (
            "train_batch_size x unlabel_ratio",
            train.unlabeled_batch_size,
            train.accumulation_steps,
        ),
        ("eval_batch_size", config.run.eval_batch_size, 1),
    ):
        distribution.check_batch_size(name, size, replicas, parts)
    if data.labeled.num_images < devices.num_workers:
        raise ValueError(
            f"{devices.num_workers} workers cannot share "
            f"{data.labeled.num_images} labelled images; use fewer workers."
        )
    if train.init_model_path is not None:
        path = models.find(train.init_model_path)
        models.check_fits(path, model, train.allow_new_head)


def load_teacher(
    config: ExperimentConfig, data: sources.TaskData
) -> keras.Model | None:
    """The model that labels in the step, where there is one.

    Call in the strategy's scope, on every worker; or outside, to check.

    Raises:
        ValueError: there is no such file, it is damaged, or of other classes.
    """
    if config.train.teacher_model_path is None:
        return None
    path = models.find(config.train.teacher_model_path)
    student = model_for_task(config, config.model, data)
    return models.load_teacher(path, config.train.teacher_model_name, student)


def train_model(
    config: ExperimentConfig,
    data: sources.TaskData,
    devices: distribution.Devices,
    directory: pathlib.Path,
    model: ModelConfig,
    train: TrainConfig,
    teaching: inputs.Teaching | None = None,
    seed: int = 0,
    description: str = "train",
) -> dict:
    """Trains a model in a run directory, from wherever it stopped.

    Args:
        config: of the experiment.
        data: its images.
        devices: that train.
        directory: of this model.
        model: which one, `model_for_task` applied.
        train: its optimisation; `method` says where targets come from.
        teaching: the unlabelled images; None for methods that need none.
        seed: of initial weights, order and noise.
        description: of the progress bar.

    Returns:
        The last evaluation; see `training.train`.
    """
    kind, train = _method_of(train)
    teaching = teaching or inputs.Teaching()
    records = teaching.records
    method = kind.from_context(_context(config, train, data, devices, teaching))
    side = models.input_side(model)
    batches = pipelines.NoisedBatches(
        inputs.image_format(config, data, side),
        config.noise,
        train.train_batch_size,
        seed,
        teacher_side=inputs.teacher_side(method, teaching, side),
        second_view=any("second_image" in key for key in method.batch_keys),
        input=config.input_pipeline,
    )
    run = training.TrainingRun(
        directory=directory,
        model_config=model,
        train_config=train,
        run_config=config.run,
        method=method,
        batches=functools.partial(
            inputs.training_batches, batches, method, data, train, teaching
        ),
        num_labeled=data.labeled.num_images,
        evaluator=_accuracy(config, data, devices, side),
        devices=devices,
        seed=seed,
        description=description,
    )
    record_paths = [*data.labeled.record_paths, *data.test.record_paths]
    if records is not None:
        record_paths += pseudo_labels.record_paths(records)
    with decoding.input_errors(record_paths):
        return training.train(run)


def _method_of(train: TrainConfig) -> tuple[type[methods.Method], TrainConfig]:
    """The method, and the settings less what it has no use for."""
    method = methods.find(train.method)
    if not method.needs_unlabeled:
        train = dataclasses.replace(train, unlabel_ratio=0.0)
    return method, train


def _context(
    config: ExperimentConfig,
    train: TrainConfig,
    data: sources.TaskData,
    devices: distribution.Devices,
    teaching: inputs.Teaching,
) -> methods.MethodContext:
    """What the method of a run is made of."""

    def own(source: sources.ImageSource) -> int:
        part = source.worker_part(devices.worker, devices.num_workers)
        return part.num_images

    unlabeled = inputs.num_unlabeled(data, teaching)
    own_unlabeled = unlabeled
    if teaching.records is None and data.unlabeled is not None:
        own_unlabeled = own(data.unlabeled)
    return methods.MethodContext(
        train=train,
        consistency=config.consistency,
        num_classes=data.task.num_classes,
        num_labeled=data.labeled.num_images,
        num_unlabeled=unlabeled,
        worker_labeled=own(data.labeled),
        worker_unlabeled=own_unlabeled,
        strategy=devices.strategy,
        teacher=teaching.teacher,
        has_records=teaching.records is not None,
    )


def label_images(
    config: ExperimentConfig,
    data: sources.TaskData,
    devices: distribution.Devices,
    teacher: pathlib.Path,
    files: pseudo_labels.PredictionFiles,
    parts: list[pseudo_labels.Part] | None = None,
) -> None:
    """Predicts the unlabelled images with a teacher from a `.keras` file.

    Args:
        config: of the experiment.
        data: its images; `unlabeled` must be there.
        devices: those of this process predict, each its own parts.
        teacher: path of the model.
        files: where the predictions go.
        parts: those to do, None is all; finished ones are passed over.

    Raises:
        ValueError: finished parts are of other images or another teacher.
    """
    made_from = {
        "images": data.identity,
        "teacher": teacher_digest(teacher),
    }
    files.check_made_from(made_from)
    missing = [
        part for part in files.missing() if parts is None or part in parts
    ]
    if not missing:
        return
    warnings = decoding.SkipWarnings()
    unlabeled = data.require_unlabeled()
    with devices.own.scope(), decoding.input_errors(unlabeled.record_paths):
        model = models.load_model(teacher)
        form = inputs.image_format(config, data, model.input_shape[1])

        def batches(source: sources.ImageSource) -> tf.data.Dataset:
            return pipelines.plain_images(
                source,
                form,
                config.run.eval_batch_size,
                warnings=warnings,
                input_config=config.input_pipeline,
            )

        pseudo_labels.predict(
            model, unlabeled, batches, files, missing, made_from
        )


def teacher_digest(path: pathlib.Path) -> str:
    """Tells a teacher from others."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def evaluate_model(
    config: ExperimentConfig,
    data: sources.TaskData,
    devices: distribution.Devices,
    path: pathlib.Path,
) -> evaluation.Metrics:
    """Evaluates a `.keras` file on the test images."""
    with (
        devices.strategy.scope(),
        decoding.input_errors(data.test.record_paths),
    ):
        model = models.load_model(path)
        return _accuracy(config, data, devices, model.input_shape[1])(model)


def _accuracy(
    config: ExperimentConfig,
    data: sources.TaskData,
    devices: distribution.Devices,
    side: int,
) -> evaluation.Accuracy:
    """The accuracy on the test images, of models of that side."""
    return evaluation.Accuracy(
        functools.partial(inputs.test_batches, config, data, side),
        data.test.num_images,
        shown=devices.is_chief,
    )

"""From settings and images to the batches of a stage.

Batches are a replica's; `tf.distribute.InputContext` says which worker asks
and how many replicas share a step.
"""

import dataclasses
import pathlib

import keras
import tensorflow as tf

from noisy_student import methods, pseudo_labels
from noisy_student.config import ExperimentConfig, TrainConfig
from noisy_student.data import pipelines, sources, views


@dataclasses.dataclass(frozen=True)
class Teaching:
    """Where a student's unlabelled images and their labels come from.

    Attributes:
        records: directory that `pseudo_labels.filter_and_balance` wrote; None
            takes the task's unlabelled images.
        teacher: labels them in the step; None takes the records' labels.
    """

    records: pathlib.Path | None = None
    teacher: keras.Model | None = None


def num_unlabeled(data: sources.TaskData, teaching: Teaching) -> int:
    """How many unlabelled images, or records of such, there are."""
    if teaching.records is not None:
        return pseudo_labels.PseudoLabelStats.load(teaching.records).records
    return data.unlabeled.num_images if data.unlabeled else 0


def teacher_side(
    method: methods.Method, teaching: Teaching, side: int
) -> int | None:
    """Side of the `teacher_image`, where a method reads one.

    Args:
        method: says so in its `batch_keys`.
        teaching: whose teacher has a side of its own.
        side: the student's.
    """
    if "teacher_image" not in method.batch_keys:
        return None
    return teaching.teacher.input_shape[1] if teaching.teacher else side


def training_batches(
    batches: pipelines.BatchSpec,
    method: methods.Method,
    data: sources.TaskData,
    train: TrainConfig,
    teaching: Teaching,
    context: tf.distribute.InputContext,
    start_step: int,
) -> tf.data.Dataset:
    """Labelled and, for a student, unlabelled batches of a replica.

    A step takes one such batch for each replica of the worker, or several
    with `accumulation_steps`.
    """
    parts = train.accumulation_steps
    replicas = context.num_replicas_in_sync
    workers = context.num_input_pipelines
    of_worker = dataclasses.replace(
        batches,
        batch_size=train.train_batch_size // (replicas * parts),
        first_batch=start_step * replicas // workers * parts,
        worker=context.input_pipeline_id,
        num_workers=workers,
    )
    unlabeled_size = train.unlabeled_batch_size // (replicas * parts)
    return pipelines.training_batches(
        data.labeled,
        _unlabeled(data, teaching) if unlabeled_size else None,
        of_worker,
        unlabeled_size,
        method.batch_keys,
        train.label_data_sample_prob,
    )


def _unlabeled(
    data: sources.TaskData, teaching: Teaching
) -> sources.ImageSource | pipelines.PseudoLabeledRecords:
    if teaching.records is None:
        return data.require_unlabeled()
    return pipelines.PseudoLabeledRecords(
        pseudo_labels.record_paths(teaching.records),
        pseudo_labels.PseudoLabelStats.load(teaching.records).records,
        data.task.num_classes,
    )


def test_batches(
    config: ExperimentConfig,
    data: sources.TaskData,
    side: int,
    context: tf.distribute.InputContext,
) -> tf.data.Dataset:
    """One pass over a worker's part of the test images, for its replicas."""
    return pipelines.plain_images(
        # Not by files: `evaluate` counts on parts of one size.
        data.test.stride(
            context.input_pipeline_id, context.num_input_pipelines
        ),
        image_format(config, data, side),
        context.get_per_replica_batch_size(config.run.eval_batch_size),
        input_config=config.input_pipeline,
    )


def image_format(
    config: ExperimentConfig, data: sources.TaskData, side: int
) -> views.ImageFormat:
    """How the images of an experiment reach a model of that side."""
    return views.ImageFormat.for_task(data.task, side, config.noise)

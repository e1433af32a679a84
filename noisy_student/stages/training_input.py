"""What a run learns from: the images of its method, batch by batch.

Batches are those of one replica. `tf.distribute.InputContext` says which
worker asks for them and how many replicas share a step.
"""

import dataclasses
import importlib.util
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from etils import epath

from noisy_student import methods, models, pseudo_labels
from noisy_student.config import ExperimentConfig
from noisy_student.data import noised, pipelines, pseudo_labeled, sources
from noisy_student.stages.experiment import Experiment
from noisy_student.training import loop


@dataclasses.dataclass(frozen=True)
class Unlabeled:
    """A student's unlabelled images, and where their labels come from.

    Attributes:
        images: The images, pseudo-labelled records among them; None if there
            are none.
        teacher: Labels them in the step; None takes the records' labels.
    """

    images: sources.ImageSource | None = None
    teacher: keras.Model | None = None

    @classmethod
    def open(
        cls,
        experiment: Experiment,
        records: epath.Path | None = None,
        teacher: keras.Model | None = None,
    ) -> "Unlabeled":
        """Opens the images.

        Args:
            experiment: Where they come from without `records`.
            records: Directory of records, see `pseudo_labels.record_paths`.
            teacher: See `Unlabeled`.

        Raises:
            ValueError: See `pseudo_labels.open_records`.
        """
        images = experiment.data.unlabeled
        if records is not None:
            images = pseudo_labels.open_records(
                records,
                experiment.data.task.num_classes,
                need_labels=experiment.config.train.teacher_model_path is None,
            )
        return cls(images, teacher)


def method_context(
    experiment: Experiment, unlabeled: Unlabeled
) -> methods.MethodContext:
    """What the method of an experiment is made from.

    Its `train` has an `unlabel_ratio` of 0 if the method needs no unlabelled
    images.
    """
    config, data = experiment.config, experiment.data
    devices, train = experiment.devices, config.train
    if not methods.find(train.method).needs_unlabeled:
        train = dataclasses.replace(train, unlabel_ratio=0.0)

    def worker_images(source: sources.ImageSource) -> int:
        part = source.worker_part(devices.worker, devices.num_workers)
        return part.num_images

    images = unlabeled.images
    return methods.MethodContext(
        train=train,
        consistency=config.consistency,
        num_classes=data.task.num_classes,
        num_labeled=data.labeled.num_images,
        num_unlabeled=images.num_images if images else 0,
        worker_labeled=worker_images(data.labeled),
        worker_unlabeled=worker_images(images) if images else 0,
        strategy=devices.strategy,
        teacher=unlabeled.teacher,
        has_records=isinstance(images, pseudo_labeled.PseudoLabeledSource),
    )


def replica_batches(
    experiment: Experiment,
    method: methods.Method,
    unlabeled: Unlabeled,
    seed: int,
    context: tf.distribute.InputContext,
    start_step: int,
) -> tf.data.Dataset:
    """Endless batches of a replica, with the keys that the method reads.

    A step takes one such batch for each replica of the worker, or one for
    each of `accumulation_steps`.

    Args:
        experiment: Its images and settings.
        method: States the keys of a batch.
        unlabeled: The unlabelled images.
        seed: Of order and noise.
        context: The worker that asks.
        start_step: Number of finished steps.

    Raises:
        InputError: the method reads a key that there is not.
    """
    train = experiment.config.train
    parts, replicas = train.accumulation_steps, context.num_replicas_in_sync
    workers = context.num_input_pipelines
    side = models.input_side(experiment.model)
    spec = pipelines.BatchSpec(
        experiment.image_format(side),
        experiment.config.noise,
        batch_size=train.train_batch_size // (replicas * parts),
        seed=seed,
        first_batch=start_step * replicas // workers * parts,
        teacher_side=_teacher_side(method, unlabeled, side),
        second_view=any("second_image" in key for key in method.batch_keys),
        noise_form=_noise_form(experiment),
        input=experiment.config.input_pipeline,
        worker=context.input_pipeline_id,
        num_workers=workers,
    )
    return pipelines.training_batches(
        experiment.data.labeled,
        unlabeled.images if method.needs_unlabeled else None,
        spec,
        train.unlabeled_batch_size // (replicas * parts),
        method.batch_keys,
        train.label_data_sample_prob,
        _class_weights(experiment),
    )


def _class_weights(experiment: Experiment) -> np.ndarray | None:
    """Weights of the labelled images by class, 1 in the mean over images."""
    if experiment.config.train.class_weights == "none":
        return None
    data = experiment.data
    counts = np.bincount(data.labeled.labels(), minlength=data.task.num_classes)
    present = np.count_nonzero(counts)
    return (counts.sum() / (present * np.maximum(counts, 1))).astype(np.float32)


def _teacher_side(
    method: methods.Method, unlabeled: Unlabeled, side: int
) -> int | None:
    """Side of the `teacher_image`, where the method reads one."""
    if "teacher_image" not in method.batch_keys:
        return None
    return unlabeled.teacher.input_shape[1] if unlabeled.teacher else side


def check_noise(config: ExperimentConfig) -> None:
    """Refuses noise that cannot be made.

    Raises:
        ValueError: keras-cv is not installed, or should run on a device.
    """
    noise = config.noise
    names = ("augment_name", "unl_aug")
    found = [name for name in names if getattr(noise, name) == "keras_cv"]
    if not found:
        return
    if config.input_pipeline.noise_on == "device":
        raise ValueError(
            f"noise_on=device does not go with {found[0]}=keras_cv, whose "
            "noise has a state on the host; take v1, or leave noise_on out."
        )
    if importlib.util.find_spec("keras_cv") is None:
        raise ValueError(
            f"{found[0]}=keras_cv needs keras-cv, which is not installed: pip "
            "install keras-cv, or take v1."
        )


def step_noise(
    experiment: Experiment,
) -> Callable[[methods.Batch], methods.Batch]:
    """What the training step does to a batch before its method sees it."""
    if _noise_form(experiment) != "device":
        return loop.as_it_is
    side = models.input_side(experiment.model)
    return noised.in_step(
        experiment.image_format(side), experiment.config.noise
    )


def _noise_form(experiment: Experiment) -> str:
    """The one of `noise.FORMS` that these devices need."""
    if experiment.config.input_pipeline.noise_on == "device":
        return "device"
    return host_noise_form(experiment)


def host_noise_form(experiment: Experiment) -> str:
    """The one of `noise.FORMS` for noise that the hosts add."""
    return "compiled" if experiment.devices.host_compiles else "uncompiled"

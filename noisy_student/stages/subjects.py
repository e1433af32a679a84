"""The models that an evaluation is of: one, or all generations of a run."""

import dataclasses
import functools
from collections.abc import Callable, Mapping

import keras
from etils import epath

from noisy_student import models, tasks, training
from noisy_student.config import ExperimentConfig
from noisy_student.config.paths import parents, to_path
from noisy_student.data import decoding, limits
from noisy_student.errors import listed
from noisy_student.evaluation import test_time
from noisy_student.files import run_directory
from noisy_student.models import foreign
from noisy_student.stages.experiment import (
    Experiment,
    named_model,
    resolve_model,
)
from noisy_student.training import distribution

_CHECKED = 256  # images that the declared range of pixels is checked on


@dataclasses.dataclass(frozen=True)
class Subject:
    """A model to evaluate.

    Attributes:
        name: "model", or "generation_00" and so on.
        load: Loads it; call it in the scope of the strategy.
        digest: Tells it from others by the content of its files.
        facts: What is known of it beside its scores, such as the `step` of a
            checkpoint.
    """

    name: str
    load: Callable[[], keras.Model]
    digest: Callable[[], str]
    facts: Mapping[str, int | str] = dataclasses.field(default_factory=dict)


def find(experiment: Experiment) -> list[Subject]:
    """Finds the models that the flags name, and loads what can be wrong.

    Args:
        experiment: The images to evaluate on.

    Returns:
        All generations of a self-training run, the first teacher first; else
        one model.

    Raises:
        ValueError: There is no model, or it does not fit the images.
    """
    config = experiment.config
    if config.evaluation.model_path is not None:
        return [_foreign(experiment, config.evaluation.model_path)]
    with experiment.devices.strategy.scope():
        directory = named_model(config)
        _check_class_names(directory, experiment.data.class_names)
        generations = run_directory.generation_models(directory)
        if len(generations) > 1:
            return [
                _generation(experiment, number, path)
                for number, path in enumerate(generations)
            ]
        if is_unfinished(directory):
            return [_from_checkpoint(experiment, directory)]
        return [of_file(experiment, str(resolve_model(config)), "model")]


def _check_class_names(
    path: epath.Path, of_images: tuple[str, ...] | None
) -> None:
    """Refuses images whose classes have other names than the model's.

    Raises:
        ValueError: They do, as far as both are known.
    """
    for directory in (path, *parents(path)[:1]):
        names = run_directory.read_class_names(directory)
        if names and of_images and tuple(names) != tuple(of_images):
            raise ValueError(
                f"The model {path} knows the classes {listed(names)}, and the "
                f"images are of {listed(of_images)}: evaluate it on images of "
                "its own classes."
            )


def of_file(experiment: Experiment, path: str, name: str) -> Subject:
    """The model of a file or checkpoint, loaded in the strategy's scope.

    Args:
        experiment: The images to evaluate on.
        path: From `models.resolve_model_path`.
        name: The subject's.

    Raises:
        ValueError: It does not fit the images.
    """
    model = _load(experiment, path)
    digest = functools.partial(models.digest, path)
    return Subject(name, lambda: model, digest, {"path": path})


def open_devices(config: ExperimentConfig) -> distribution.Devices:
    """Looks for the model, and then opens the devices that evaluate it.

    Raises:
        ValueError: There is no model, or the batch does not fit the devices.
    """
    foreign_path = config.evaluation.model_path
    if foreign_path is None and not is_unfinished(named_model(config)):
        resolve_model(config)
    devices = distribution.make_devices(config.run)
    distribution.check_batch_size(
        "eval_batch_size",
        config.run.eval_batch_size,
        devices.strategy.num_replicas_in_sync,
    )
    return devices


def open_images(
    config: ExperimentConfig, devices: distribution.Devices
) -> Experiment:
    """Opens the images to evaluate on.

    Raises:
        ValueError: They are not there, or a run was trained on others.
    """
    experiment = Experiment.open(config, devices)
    if is_own_run(config):
        run_directory.check_images(config.directory, config)
    return experiment


def output_dir(config: ExperimentConfig, name: str) -> epath.Path | None:
    """`output_dir`, or else the folder `name` in the run's directory.

    Returns:
        None where neither is known.
    """
    if config.predict.output_dir is not None:
        return to_path(config.predict.output_dir)
    return config.directory / name if is_own_run(config) else None


def is_own_run(config: ExperimentConfig) -> bool:
    """Whether the model is that of `model_dir`."""
    named = config.predict.predict_ckpt_path, config.evaluation.model_path
    return named == (None, None)


def is_unfinished(directory: epath.Path) -> bool:
    """Whether a run directory has checkpoints and no model."""
    return not training.is_finished(directory) and training.has_checkpoints(
        directory
    )


def with_views(experiment: Experiment, model: keras.Model) -> keras.Model:
    """The model with the test-time augmentation of the settings.

    Raises:
        ValueError: There are not so many views.
    """
    number = experiment.config.evaluation.num_test_time_augmentations
    side = model.input_shape[1]
    flip = experiment.image_format(side).horizontal_flip
    most = test_time.most_views(flip)
    if number > most:
        raise ValueError(
            f"num_test_time_augmentations={number} is more than the {most} "
            f"views of an image{'' if flip else ' that is not mirrored'}."
        )
    return test_time.averaged(model, number, flip)


def _generation(
    experiment: Experiment, number: int, path: epath.Path
) -> Subject:
    """A generation, which is only loaded when its turn comes."""
    return Subject(
        path.relative_to(named_model(experiment.config)).parts[0],
        lambda: _load(experiment, str(path)),
        functools.partial(models.digest, path),
        {"generation": number, "path": str(path)},
    )


def _load(experiment: Experiment, path: str) -> keras.Model:
    side = experiment.config.data.input_image_size
    return models.load_pretrained(path, experiment.model, side)


def _foreign(experiment: Experiment, path: str) -> Subject:
    config = experiment.config
    with foreign.scope_of(path, experiment.devices.strategy):
        model = foreign.load_foreign(
            config.evaluation,
            experiment.data.task.num_classes,
            config.data.input_image_size,
        )
        _check_input_range(experiment, model)
    digest = functools.partial(foreign.digest, path)
    return Subject("model", lambda: model, digest, {"path": path})


def _check_input_range(experiment: Experiment, model: keras.Model) -> None:
    """Looks at some test images, of all classes."""
    test = experiment.data.test
    number = min(_CHECKED, test.num_images)
    some = limits.spread_images(test, number, "num_test_images")
    with decoding.input_errors(test.record_paths):
        batches = experiment.plain_images(some, model.input_shape[1], number)
        [batch] = batches.as_numpy_iterator()
    foreign.check_input_range(
        experiment.config.evaluation, model, batch["image"], batch["label"]
    )


def _from_checkpoint(experiment: Experiment, directory: epath.Path) -> Subject:
    """The averaged weights of a run that has no model yet."""
    model, step = averaged_model(
        directory,
        experiment.data.task,
        experiment.config.data.input_image_size,
    )
    digest = f"step {step} of {directory}"
    return Subject("model", lambda: model, lambda: digest, {"step": step})


def averaged_model(
    directory: epath.Path, task: tasks.Task, side: int | None
) -> tuple[keras.Model, int]:
    """Restores the averaged weights of a run's newest checkpoint.

    Args:
        directory: Of the run.
        task: Its task.
        side: Side in pixels of the images that the model is to take; None
            for the run's.

    Returns:
        The model, and the step of the checkpoint.
    """
    config, own_side = run_directory.read_model(directory)
    model = models.build_model(config.for_task(task, side or own_side))
    return model, training.restore_average(directory, model)

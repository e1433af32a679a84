"""Which model labels a folder, how it sees images, what its classes are."""

import dataclasses

import keras
import tensorflow as tf
from etils import epath

from noisy_student import models, tasks
from noisy_student.config import ExperimentConfig
from noisy_student.config.data import ANY_IMAGES
from noisy_student.config.paths import parents, to_path
from noisy_student.data import views
from noisy_student.data.image_sets import class_names_of
from noisy_student.files import run_directory
from noisy_student.models import foreign
from noisy_student.models.importers.weights import HEAD
from noisy_student.stages.experiment import resolve_model

_SMALL_SIDE = 64  # models of so many pixels a side see images whole


@dataclasses.dataclass(frozen=True)
class Labeler:
    """A model, and what belongs to it.

    Attributes:
        model: From images, (batch, side, side, 3) in [0, 255], to logits,
            float32 (batch, classes).
        image_format: How it sees images.
        class_names: Of its classes, in order; numbers where they are unknown.
    """

    model: keras.Model
    image_format: views.ImageFormat
    class_names: tuple[str, ...]


def find(config: ExperimentConfig, strategy: tf.distribute.Strategy) -> Labeler:
    """Loads the model that the flags name.

    Args:
        config: The flags.
        strategy: Will call the model.

    Raises:
        ValueError: There is none, it is damaged or another than declared, or
            its classes are not those of its classes.txt or of the task.
    """
    foreign_path = config.evaluation.model_path
    if foreign_path is not None:
        side = config.data.input_image_size
        path = to_path(foreign_path)
        with foreign.scope_of(foreign_path, strategy):
            model = foreign.load_foreign(config.evaluation, None, side)
        small = model.input_shape[1] <= _SMALL_SIDE
    else:
        path = resolve_model(config)
        with strategy.scope():
            model, small = _own(config, path)
    return Labeler(
        model,
        views.ImageFormat(model.input_shape[1], small, horizontal_flip=False),
        _class_names(config, path, model.output_shape[-1]),
    )


def _own(
    config: ExperimentConfig, path: epath.Path
) -> tuple[keras.Model, bool]:
    """A model of this program or the original's, and whether images are small.

    Args:
        config: Of a checkpoint it says the model.
        path: From `resolve_model`.
    """
    side = config.data.input_image_size
    if path.suffix == ".keras":
        model = models.load_model(path, side)
        return model, _takes_small_images(model, path)
    name = config.data.task_name
    task = tasks.KNOWN.get(name)
    if task is None:
        _, bias = HEAD
        classes = models.read_weights(str(path), config.model)[bias].size
        task = tasks.generic_task(name, classes, side=None)
    settings = config.model.for_task(task, side)
    models.check_pretrained(str(path), settings)
    model = models.load_pretrained(str(path), settings, side)
    return model, task.small_images


def _takes_small_images(model: keras.Model, path: epath.Path) -> bool:
    """Whether images reach the model of a file whole.

    Its run's task says it, or else the variant of the network.
    """
    if (path.parent / run_directory.CONFIG_FILE).exists():
        data = run_directory.read_config(path.parent).data
        if data.task_name in tasks.KNOWN:
            return tasks.KNOWN[data.task_name].small_images
    return models.is_for_small_images(model)


def _class_names(
    config: ExperimentConfig, path: epath.Path, number: int
) -> tuple[str, ...]:
    """The names in classes.txt with the model, or of the task, or numbers.

    Raises:
        ValueError: There are not so many.
    """
    for directory in (path, *parents(path)[:1]):
        names = run_directory.read_class_names(directory)
        if names is not None:
            return _checked(names, number, str(directory / "classes.txt"))
    task = config.data.task_name
    names = None if task == ANY_IMAGES else class_names_of(config.data)
    if names is not None:
        return _checked(names, number, f"task_name={task}")
    return tuple(map(str, range(number)))


def _checked(
    names: tuple[str, ...], number: int, where: str
) -> tuple[str, ...]:
    if len(names) == number:
        return names
    raise ValueError(
        f"The model has {number} classes, and {where} names {len(names)}; "
        "correct it, or name another model."
    )

"""Which model an export is of, and what its run knows of it.

It is the one that mode=eval evaluates; no images are needed to find it.
"""

import dataclasses

import keras
from etils import epath

from noisy_student import export, models
from noisy_student.config import ExperimentConfig
from noisy_student.config.paths import parents, to_path
from noisy_student.data.open import open_task
from noisy_student.files import run_directory
from noisy_student.models import foreign
from noisy_student.stages import subjects
from noisy_student.stages.experiment import named_model, resolve_model
from noisy_student.stages.import_weights import task_without_images
from noisy_student.tasks import KNOWN

# Images of up to so many pixels a side are taken whole.
_SMALL_SIDE = 64


@dataclasses.dataclass(frozen=True)
class Found:
    """A model that was found.

    Attributes:
        reference: The model itself, of averaged weights, in float32.
        model: The same of Keras' own layers.
        path: Where it is.
        digest: Tells it from others by its content.
        small_images: Whether its images are small ones, which are not cropped;
            None where nothing says it.
        run: The directory of the run that made it, the uppermost one; None if
            it is not known.
    """

    reference: keras.Model
    model: keras.Model
    path: epath.Path
    digest: str
    small_images: bool | None
    run: epath.Path | None = None


def find(config: ExperimentConfig) -> Found:
    """Finds and loads the model that the flags name.

    Raises:
        ValueError: There is none, or it is damaged or another than declared.
    """
    if config.evaluation.model_path is not None:
        return _foreign(config, config.evaluation.model_path)
    directory = named_model(config)
    generations = run_directory.generation_models(directory)
    if (directory / run_directory.MODEL_FILE).exists() or not generations:
        if subjects.is_unfinished(directory):
            return _from_checkpoint(config, directory)
        path = resolve_model(config)
    else:
        path = generations[-1]
    if path.suffix == ".keras":
        return _from_file(config, path)
    task = task_without_images(config.data)
    side = config.data.input_image_size
    reference = models.load_pretrained(
        str(path), config.model.for_task(task, side), side
    )
    return _converted(
        reference, path, models.digest(path), small_images=task.small_images
    )


def _converted(
    model: keras.Model, path: epath.Path, digest: str, **more
) -> Found:
    reference = export.in_float32(model)
    return Found(reference, export.to_stock(reference), path, digest, **more)


def _foreign(config: ExperimentConfig, path: str) -> Found:
    """A model made elsewhere, which is of Keras' own layers already."""
    side = config.data.input_image_size
    model = foreign.load_foreign(config.evaluation, None, side)
    return Found(
        model,
        model,
        to_path(path),
        foreign.digest(path),
        small_images=model.input_shape[1] <= _SMALL_SIDE,
    )


def _from_checkpoint(config: ExperimentConfig, directory: epath.Path) -> Found:
    """The newest checkpoint of a run that is not finished.

    Its model depends on the task, so that the run's images are opened.
    """
    settings = run_directory.read_config(directory)
    task = open_task(settings.data, settings.seed).task
    side = config.data.input_image_size
    model, step = subjects.averaged_model(directory, task, side)
    return _converted(
        model,
        directory,
        f"step {step} of {directory}",
        small_images=task.small_images,
        run=directory,
    )


def _from_file(config: ExperimentConfig, path: epath.Path) -> Found:
    model = models.load_model(path, config.data.input_image_size)
    run = _run_of(path)
    return _converted(
        model,
        path,
        models.digest(path),
        small_images=_takes_small_images(model, run),
        run=run,
    )


def _run_of(path: epath.Path) -> epath.Path | None:
    """The uppermost run directory that a model lies in as its own."""
    runs = [
        directory
        for directory in parents(path)[:3]  # generation_01/finetune
        if (directory / run_directory.CONFIG_FILE).exists()
    ]
    is_own = path.name == run_directory.MODEL_FILE and path.parent in runs
    return runs[-1] if is_own else None


def _takes_small_images(
    model: keras.Model, run: epath.Path | None
) -> bool | None:
    """Whether a model was trained on small images.

    The variant of the network says it, unless its run chose that on its own.
    """
    settings = run_directory.read_config(run) if run is not None else None
    if settings is None or settings.model.small_image_model is None:
        return models.is_for_small_images(model)
    task = KNOWN.get(settings.data.task_name)
    return None if task is None else task.small_images

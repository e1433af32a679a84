"""Imports a checkpoint from elsewhere as a `.keras` file."""

import dataclasses
import pathlib
from collections.abc import Callable

from absl import logging

from noisy_student import models, tasks
from noisy_student.config import DataConfig, ModelConfig
from noisy_student.models.importers import keras_applications, original


@dataclasses.dataclass(frozen=True)
class ImportSettings:
    """What is imported.

    Attributes:
        checkpoint: path; of the original's a prefix, or a directory.
        source: `original` or `keras`.
        output: path of the `.keras` file.
        num_classes: size of the logits; None is the task's.
        raw: the original's raw weights in place of its averaged ones.
        allow_new_head: see `models.assign`.
    """

    checkpoint: str | None
    output: str | None
    source: str = "original"
    num_classes: int | None = None
    raw: bool = False
    allow_new_head: bool = False


def plan_import(
    data: DataConfig, model: ModelConfig, settings: ImportSettings
) -> Callable[[], None]:
    """Checks the settings and returns the work.

    Args:
        data: `task_name` and `input_image_size` are used.
        model: which model the checkpoint is of, the task's facts missing.
        settings: what is imported.

    Raises:
        ValueError: what is wrong, where, and what to do about it.
    """
    if settings.checkpoint is None or settings.output is None:
        raise ValueError("checkpoint and output must be set.")
    output = pathlib.Path(settings.output)
    if output.suffix != ".keras":
        raise ValueError(f"output must end in .keras; got {output}.")
    if output.exists():
        raise ValueError(f"{output} exists already; remove it first.")
    if not output.absolute().parent.is_dir():
        raise ValueError(f"{output.parent} is no directory; make it first.")
    config = model_config(data, model, settings.num_classes)
    models.check_model(config)
    if settings.source == "keras":
        if settings.raw:
            raise ValueError("raw is for the original's checkpoints only.")
        checkpoint = settings.checkpoint
        if not pathlib.Path(checkpoint).is_file():
            raise ValueError(f"There is no file {checkpoint}.")
    else:
        checkpoint = original.checkpoint_prefix(settings.checkpoint)

    def work() -> None:
        import_checkpoint(checkpoint, config, output, settings)

    return work


def model_config(
    data: DataConfig, model: ModelConfig, num_classes: int | None
) -> ModelConfig:
    """A model's settings with the facts of the task.

    Raises:
        ValueError: the task is not a known one and the classes are not given.
    """
    task = tasks.KNOWN.get(data.task_name)
    if task is None:
        if num_classes is None:
            raise ValueError(
                f"num_label_classes must be set for task_name={data.task_name}"
                f", whose classes are not known without opening it; known are "
                f"{', '.join(tasks.KNOWN)}."
            )
        task = tasks.generic_task(
            data.task_name, num_classes, data.input_image_size
        )
    return model.for_task(
        dataclasses.replace(task, num_classes=num_classes or task.num_classes),
        data.input_image_size,
    )


def import_checkpoint(
    checkpoint: str,
    config: ModelConfig,
    output: pathlib.Path,
    settings: ImportSettings,
) -> None:
    """Reads the checkpoint and writes the model, or nothing.

    Args:
        checkpoint: prefix or file; it exists.
        config: the model to build.
        output: the `.keras` file.
        settings: what is imported.

    Raises:
        InputError: the checkpoint does not fit the model.
    """
    if settings.source == "keras":
        source = keras_applications.load(pathlib.Path(checkpoint), config)
        arrays = keras_applications.read(source)
        config = keras_applications.with_normalization(config, source)
    else:
        arrays = original.read(checkpoint, averaged=not settings.raw)
    model = models.build_model(config)
    fresh_head = models.assign(
        model, arrays, checkpoint, settings.allow_new_head
    )
    models.save_model(model, output)
    print(f"{output}: {config.model_name}, {model.count_params():,} weights.")
    if fresh_head:
        logging.warning(
            "The classifier of %d classes is fresh: train before use.",
            config.num_classes,
        )

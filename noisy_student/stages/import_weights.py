"""tools/import_checkpoint.py: a foreign checkpoint as a `.keras` file."""

import dataclasses
import pathlib

from absl import logging

from noisy_student import models, tasks
from noisy_student.config import DataConfig, ModelConfig
from noisy_student.config.tools import ImportSettings
from noisy_student.models.importers import keras_applications, original


class ImportWeights:
    """Makes a model file of a checkpoint; see `stages.Stage`.

    Args:
        data: Its `task_name` and `input_image_size` are used.
        model: The model that the checkpoint is of, without the task's facts.
        settings: What is imported.
    """

    def __init__(
        self, data: DataConfig, model: ModelConfig, settings: ImportSettings
    ) -> None:
        self.data, self.model, self.settings = data, model, settings

    def validate(self) -> None:
        """Looks at the paths and the model.

        Raises:
            ValueError: what is wrong, where, and what to do about it.
        """
        settings = self.settings
        if settings.checkpoint is None or settings.output is None:
            raise ValueError("checkpoint and output must be set.")
        output = self.output = pathlib.Path(settings.output)
        if output.suffix != ".keras":
            raise ValueError(f"output must end in .keras; got {output}.")
        if output.exists():
            raise ValueError(f"{output} exists already; remove it first.")
        if not output.absolute().parent.is_dir():
            raise ValueError(f"{output.parent} is no directory; make it first.")
        self.config = _for_task(
            self.model, self.data, self.data.num_label_classes
        )
        models.check_model(self.config)
        self.checkpoint = settings.checkpoint
        if settings.source != "keras":
            self.checkpoint = original.checkpoint_prefix(settings.checkpoint)
        elif settings.raw:
            raise ValueError("raw is for the original's checkpoints only.")
        elif not pathlib.Path(settings.checkpoint).is_file():
            raise ValueError(f"There is no file {settings.checkpoint}.")

    def run(self) -> None:
        """Reads the checkpoint and writes the model, or nothing.

        Raises:
            InputError: the checkpoint does not fit the model.
        """
        config, settings = self.config, self.settings
        if settings.source == "keras":
            path = pathlib.Path(self.checkpoint)
            source = keras_applications.load(path, config)
            arrays = keras_applications.read(source)
            config = keras_applications.with_normalization(config, source)
        else:
            arrays = original.read(self.checkpoint, not settings.raw)
        model = models.build_model(config)
        fresh_head = models.assign(
            model, arrays, self.checkpoint, settings.allow_new_head
        )
        models.save_model(model, self.output)
        print(
            f"{self.output}: {config.model_name}, {model.count_params():,} "
            "weights."
        )
        if fresh_head:
            logging.warning(
                "The classifier of %d classes is fresh: train before use.",
                config.num_classes,
            )


def _for_task(
    model: ModelConfig, data: DataConfig, num_classes: int | None
) -> ModelConfig:
    """A model's settings with the facts of the task.

    Raises:
        ValueError: the task is not a known one and the classes are not given.
    """
    task = tasks.KNOWN.get(data.task_name)
    if num_classes is not None:
        generic = tasks.generic_task(
            data.task_name, num_classes, data.input_image_size
        )
        task = dataclasses.replace(task or generic, num_classes=num_classes)
    if task is None:
        raise ValueError(
            f"num_label_classes must be set for task_name={data.task_name}, "
            "whose classes are not known without opening it; known are "
            f"{', '.join(tasks.KNOWN)}."
        )
    return model.for_task(task, data.input_image_size)

"""tools/import_checkpoint.py: a foreign checkpoint as a `.keras` file."""

import dataclasses

from absl import logging

from noisy_student import models, tasks
from noisy_student.config import DataConfig
from noisy_student.config.paths import to_path
from noisy_student.config.tools import ImportSettings
from noisy_student.files import remote
from noisy_student.models.importers import (
    keras_applications,
    original,
    pytorch,
    tensor_files,
)
from noisy_student.stages.experiment import Stage


@dataclasses.dataclass(eq=False)
class ImportWeights(Stage):
    """Makes a model file of a checkpoint.

    Attributes:
        config: Its `model`, `task_name`, `input_image_size` and
            `num_label_classes` say what the checkpoint is of.
        settings: What is imported.
    """

    settings: ImportSettings

    def validate(self) -> None:
        settings, data = self.settings, self.config.data
        if settings.checkpoint is None or settings.output is None:
            raise ValueError("checkpoint and output must be set.")
        output = self.output = to_path(settings.output)
        if output.suffix != ".keras":
            raise ValueError(f"output must end in .keras; got {output}.")
        if output.exists():
            raise ValueError(f"{output} exists already; remove it first.")
        if not remote.can_be_made(output):
            raise ValueError(f"{output.parent} is no directory; make it first.")
        self.model = self.config.model.for_task(
            task_without_images(data), data.input_image_size
        )
        models.check_model(self.model)
        self.checkpoint = settings.checkpoint
        path = to_path(settings.checkpoint)
        if settings.source == "original":
            self.checkpoint = original.checkpoint_prefix(settings.checkpoint)
        elif settings.raw:
            raise ValueError("raw is for the original's checkpoints only.")
        elif not path.is_file():
            raise ValueError(f"There is no file {path}.")
        elif settings.source == "timm":
            tensor_files.check_suffix(path)

    def run(self) -> None:
        config, settings = self.model, self.settings
        if settings.source == "keras":
            path = to_path(self.checkpoint)
            source = keras_applications.load(path, config)
            arrays = keras_applications.read(source)
            config = keras_applications.with_normalization(config, source)
        elif settings.source == "timm":
            arrays = pytorch.read(to_path(self.checkpoint))
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


def task_without_images(data: DataConfig) -> tasks.Task:
    """The facts about a task whose images are not opened.

    Raises:
        ValueError: the task is not a known one and the classes are not given.
    """
    task, num_classes = tasks.KNOWN.get(data.task_name), data.num_label_classes
    if num_classes is not None:
        generic = tasks.generic_task(
            data.task_name, num_classes, data.input_image_size
        )
        return dataclasses.replace(task or generic, num_classes=num_classes)
    if task is None:
        raise ValueError(
            f"num_label_classes must be set for task_name={data.task_name}, "
            "whose classes are not known without opening it; known are "
            f"{', '.join(tasks.KNOWN)}."
        )
    return task

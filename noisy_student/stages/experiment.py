"""What a stage is, and what all of them work with: images and devices."""

import abc
import dataclasses
import functools
import sys
from collections.abc import Callable
from typing import TypeVar

import tensorflow as tf
from etils import epath

from noisy_student import evaluation, models
from noisy_student.config import ExperimentConfig, ModelConfig
from noisy_student.config.paths import is_remote, to_path
from noisy_student.data import plain, sources, views
from noisy_student.data.open import open_task
from noisy_student.data.validation import open_validation
from noisy_student.files import lock, run_directory
from noisy_student.training import distribution

_Evaluator = TypeVar("_Evaluator", bound=evaluation.Evaluator)


@dataclasses.dataclass(eq=False)
class Stage(abc.ABC):
    """Work that is validated first and then done.

    Attributes:
        config: The settings; where a model is trained, with the defaults of
            the method filled in.
    """

    config: ExperimentConfig

    @abc.abstractmethod
    def validate(self) -> None:
        """Opens images and devices, and checks all that can be wrong.

        It costs little, and touches nothing where something is wrong.

        Raises:
            ValueError: what is wrong, where, and what to do about it.
        """

    @abc.abstractmethod
    def run(self) -> None:
        """Does the work and prints its outcome; `validate` has passed."""


@dataclasses.dataclass(frozen=True)
class Experiment:
    """An experiment whose images and devices are open.

    Attributes:
        config: All settings, with the defaults of the method.
        data: The labelled, unlabelled and test images.
        devices: The devices that train, evaluate and predict.
        open_validation: Opens the split that validates, once for this and all
            that `dataclasses.replace` makes of it; made here unless given.
    """

    config: ExperimentConfig
    data: sources.TaskData
    devices: distribution.Devices
    open_validation: Callable[[], sources.ImageSource | None] | None = None

    def __post_init__(self) -> None:
        if self.open_validation is None:
            opener = functools.partial(open_validation, self.config.data)
            object.__setattr__(self, "open_validation", functools.cache(opener))

    @classmethod
    def open(
        cls, config: ExperimentConfig, devices: distribution.Devices
    ) -> "Experiment":
        """Opens the images.

        Raises:
            ValueError: the images are not there, or do not fit the settings.
        """
        data = open_task(config.data, config.seed)
        return cls(config, data, devices)

    @functools.cached_property
    def model(self) -> ModelConfig:
        """The model, with the classes and normalisation of the task."""
        return self.config.model.for_task(
            self.data.task, self.config.data.input_image_size
        )

    def image_format(self, side: int) -> views.ImageFormat:
        """How images reach a model whose input has this side in pixels."""
        return views.ImageFormat.for_task(
            self.data.task, side, self.config.noise
        )

    @property
    def validation(self) -> sources.ImageSource | None:
        """The labelled images that validate, opened when first asked for.

        Raises:
            ValueError: they are not as the flags say.
        """
        assert self.open_validation is not None  # it was made
        return self.data.held_out or self.open_validation()

    def accuracy(self, side: int) -> evaluation.Accuracy:
        """The accuracy on the test images of models with this input side.

        Args:
            side: In pixels.
        """
        return self._accuracy_on(self.data.test, side, "evaluate")

    def validation_accuracy(self, side: int) -> evaluation.Accuracy | None:
        """The same on the images of `validation`; None if there are none."""
        if self.validation is None:
            return None
        return self._accuracy_on(self.validation, side, "validate")

    def _accuracy_on(
        self, source: sources.ImageSource, side: int, description: str
    ) -> evaluation.Accuracy:
        return self._evaluator(evaluation.Accuracy, source, side, description)

    def answers_on(
        self, source: sources.ImageSource, side: int, description: str
    ) -> evaluation.AnswersEvaluator:
        """The answers on labelled images of models with this input side.

        Args:
            source: The images.
            side: In pixels.
            description: Of the progress bar.
        """
        return self._evaluator(
            evaluation.AnswersEvaluator, source, side, description
        )

    def _evaluator(
        self,
        kind: type[_Evaluator],
        source: sources.ImageSource,
        side: int,
        description: str,
    ) -> _Evaluator:
        return kind(
            functools.partial(self.images_once, source, side),
            source.num_images,
            description,
            shown=self.devices.is_chief,
        )

    def images_once(
        self,
        source: sources.ImageSource,
        side: int,
        context: tf.distribute.InputContext,
        batch_size: int | None = None,
        as_they_are: bool = False,
    ) -> tf.data.Dataset:
        """One pass over a worker's part of them, in batches of a replica.

        `row` is the place of an image among those of all workers.

        Args:
            source: The images.
            side: Of the model's input, in pixels.
            context: The worker's place.
            batch_size: Images in a batch; None divides `eval_batch_size`.
            as_they_are: See `plain_images`.
        """
        if batch_size is None:
            whole = self.config.run.eval_batch_size
            batch_size = context.get_per_replica_batch_size(whole)
        return self.plain_images(source, side, batch_size, as_they_are, context)

    def plain_images(
        self,
        source: sources.ImageSource,
        side: int,
        batch_size: int,
        as_they_are: bool = False,
        context: tf.distribute.InputContext | None = None,
    ) -> tf.data.Dataset:
        """One pass over images as evaluation sees them.

        Args:
            source: The images.
            side: Of the model's input, in pixels.
            batch_size: Images in a batch.
            as_they_are: Whether images are only resized, since they were
                cropped before they were disturbed.
            context: The worker that asks for its part; None asks for all.

        Returns:
            See `plain.plain_images`.
        """
        image_format = self.image_format(side)
        if as_they_are:
            image_format = dataclasses.replace(image_format, small=True)
        return plain.plain_images(
            source,
            image_format,
            batch_size,
            input_config=self.config.input_pipeline,
            context=context,
        )


def open_and_claim(
    config: ExperimentConfig, check: Callable[[Experiment], None]
) -> Experiment:
    """Opens an experiment that trains, and claims its run directory.

    Every worker checks. The chief then locks the directory and writes
    `config.json`; the others refuse to run with other settings than those. With
    `dry_run` nothing is written.

    Args:
        config: The settings.
        check: Refuses with a `ValueError` what would fail later.

    Raises:
        ValueError: the images are not there, `check` refuses, or the
            directory belongs to another experiment.
    """
    devices = distribution.make_devices(config.run, trained=config.model)
    directory = config.directory
    with devices.watching_workers():
        if devices.is_chief:
            run_directory.check(directory, config)
        experiment = Experiment.open(config, devices)
        check(experiment)
        if config.run.dry_run:
            return experiment
        devices.wait_for_all()
        if devices.is_chief:
            lock.acquire(directory)
            run_directory.claim(directory, config)
            run_directory.write_class_names(
                directory, experiment.data.class_names
            )
            for note in experiment.data.notes:
                print(note, file=sys.stderr, flush=True)
        devices.wait_for_all()
        if not devices.is_chief:
            run_directory.check(directory, config)
    return experiment


def resolve_model(config: ExperimentConfig) -> epath.Path:
    """The model that mode=predict and mode=eval use.

    Returns:
        A `.keras` file, or the prefix of a checkpoint of the original.

    Raises:
        ValueError: none is named, or there is none.
    """
    return to_path(models.resolve_model_path(named_model(config)))


def named_model(config: ExperimentConfig) -> epath.Path:
    """Where mode=predict and mode=eval find their model.

    Raises:
        ValueError: the flags do not say it.
    """
    named = config.predict.predict_ckpt_path or config.model_dir
    if named is None:
        raise ValueError("predict_ckpt_path or model_dir must be set.")
    return to_path(named)


def required_directory(directory: str | None, name: str) -> epath.Path:
    """The absolute path of a directory that the flag `name` gives.

    Raises:
        ValueError: the flag is not set.
    """
    if directory is None:
        raise ValueError(f"{name} must be set.")
    path = to_path(directory)
    return path if is_remote(path) else path.absolute()

"""What a run is given, and what it keeps: models, counters and checkpoints."""

import dataclasses
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from absl import logging
from etils import epath

from noisy_student import evaluation, methods, models
from noisy_student.config import ModelConfig, RunConfig, TrainConfig
from noisy_student.errors import InputError
from noisy_student.files import run_directory
from noisy_student.training import (
    averaging,
    checkpoints,
    distribution,
    loop,
    loss_scale,
    optimizers,
    schedules,
)

BEST = "best"
_CHECKPOINTS = "checkpoints"


@dataclasses.dataclass(frozen=True)
class TrainingRun:
    """Everything that `train` needs, made outside the strategy's scope.

    Attributes:
        directory: the run directory.
        model_config: the model, with what the task decides filled in.
        train_config: the optimisation, with the method's defaults filled in.
        run_config: how often to save and evaluate.
        method: computes the losses.
        batches: makes the endless training batches of a worker's replicas,
            beginning with those of a given step; see
            `stages.training_input.replica_batches`.
        num_labeled: number of labelled images, which make an epoch.
        evaluator: evaluates the averaged model on the test images.
        devices: the devices that train.
        seed: of initial weights and dropout.
        description: text of the progress bar.
        prepare: see `loop.TrainLoop`.
        validator: evaluates it on validation images; None without any.
    """

    directory: epath.Path
    model_config: ModelConfig
    train_config: TrainConfig
    run_config: RunConfig
    method: methods.Method
    batches: Callable[[tf.distribute.InputContext, int], tf.data.Dataset]
    num_labeled: int
    evaluator: evaluation.Evaluator
    devices: distribution.Devices
    seed: int
    description: str = "train"
    prepare: Callable[[methods.Batch], methods.Batch] = loop.as_it_is
    validator: evaluation.Evaluator | None = None

    @property
    def keeps_best(self) -> bool:
        """Whether the model is that of the best validation, not the last."""
        return self.validator is not None and self.train_config.keep != "last"


class TrainingState:
    """Everything that a checkpoint holds.

    Build it in the strategy's scope, on every worker alike.

    Args:
        run: what is trained and how.

    Attributes:
        student: the model in training.
        average: the averaged model.
        learning_rate: the schedule.
        optimizer: the optimizer, which counts the steps.
        loss_scale: the loss scaling of float16; None elsewhere.
        seconds: time spent before the last checkpoint, float64 ().
        checkpoints: the checkpoints to resume from.
        best: the checkpoint of the best evaluation.
    """

    def __init__(self, run: TrainingRun) -> None:
        train, num_labeled = run.train_config, run.num_labeled
        self._run = run
        self._started = time.monotonic()
        self.student = models.build_model(run.model_config)
        self.average = models.build_model(run.model_config)
        self.learning_rate = schedules.learning_rate(train, num_labeled)
        self.optimizer = optimizers.make_optimizer(
            train, num_labeled, self.learning_rate
        )
        self.optimizer.build(self.student.trainable_variables)
        self.optimizer.scale_rates(
            self.student.layers[-1].trainable_variables,
            train.head_learning_rate_factor,
        )
        self.loss_scale = None
        if run.model_config.compute_precision == "float16":
            self.loss_scale = loss_scale.LossScale()
        self.seconds = tf.Variable(0.0, trainable=False, dtype="float64")
        shared = {
            "student": self.student,
            "average": self.average,
            "optimizer": self.optimizer,
            "method": tf.train.Checkpoint(**run.method.state()),
            # Checkpoints of a model lack these. With them, a resumed run
            # draws what an uninterrupted one would have drawn.
            "random_states": [
                state.value
                for model in (self.student, self.average)
                for state in models.random_states(model)
            ],
            "seconds": self.seconds,
        }
        if self.loss_scale:
            state = self.loss_scale.state()
            shared["loss_scale"] = tf.train.Checkpoint(**state)
        self.checkpoints = checkpoints.WorkerCheckpoints(
            run.directory / _CHECKPOINTS,
            run.run_config.keep_checkpoint_max,
            run.devices,
            shared,
            run.method.worker_state(),
        )
        self.best = checkpoints.Checkpoints(
            run.directory / BEST, keep=1, **shared
        )

    @property
    def step(self) -> int:
        """Number of finished steps."""
        return int(self.optimizer.iterations.numpy())

    def start(self) -> None:
        """Finds the weights and the step to begin with.

        They are (1) those of the newest readable checkpoint, or else (2) those
        of `init_weights`, a name or a path, or else (3) fresh weights.
        """
        averaging.start(self.average, self.student)
        train, config = self._run.train_config, self._run.model_config
        given = train.init_weights
        if self.checkpoints.restore_newest() is None and given is not None:
            fresh_head = models.start_from(
                given, self.student, config, train.allow_new_head
            )
            if fresh_head:
                logging.info(
                    "The weights are those of %s; the classifier of %d classes "
                    "is fresh.",
                    given,
                    config.num_classes,
                )
            averaging.start(self.average, self.student)
        self._started -= float(self.seconds.numpy())

    def elapsed(self) -> float:
        """Returns the seconds spent on the run, over all its processes."""
        return time.monotonic() - self._started

    def save(self) -> None:
        """Writes the checkpoint of this step, unless it is there.

        Every worker calls this alike.

        Raises:
            FloatingPointError: a weight is not finite.
            InputError: the disk is full, or the like.
        """
        if self.checkpoints.current != self.step:
            with self._run.devices.failing_together():
                self._prepare()
            self.checkpoints.save(self.step)

    def save_best(self) -> None:
        """Writes `best/`, a checkpoint and the model; called by the chief."""
        self._prepare()
        self.best.save(self.step)
        self.save_model(self._run.directory / BEST)

    def save_model(self, directory: epath.Path) -> None:
        """Writes the averaged model; called by the chief."""
        models.save_model(self.average, directory / run_directory.MODEL_FILE)

    def _prepare(self) -> None:
        """Checks what is about to be saved, which all workers have alike."""
        self.seconds.assign(self.elapsed())
        for weight in self.student.weights:
            if not np.isfinite(weight.numpy()).all():
                setting = schedules.peak_setting(self._run.train_config)
                raise FloatingPointError(
                    f"The weights {weight.path} are not finite at step "
                    f"{self.step}, which is not saved; earlier checkpoints are "
                    f"intact. A lower {setting} usually helps."
                )


def has_checkpoints(directory: epath.Path) -> bool:
    """Whether a run directory holds checkpoints to resume from."""
    found = checkpoints.Checkpoints(directory / _CHECKPOINTS, keep=1)
    return bool(found.steps())


def restore_average(directory: epath.Path, model: keras.Model) -> int:
    """Reads the averaged weights of a run's newest readable checkpoint.

    Args:
        directory: the run directory; see `has_checkpoints`.
        model: gets the weights; of the run's architecture and classes.

    Returns:
        The step of the checkpoint.

    Raises:
        InputError: none can be read, or they are of another model.
    """
    found = checkpoints.Checkpoints(
        directory / _CHECKPOINTS, keep=1, partial=True, average=model
    )
    for step in reversed(found.steps()):
        try:
            found.restore(step)
            return step
        except InputError as error:
            logging.warning("%s", error)
    raise InputError(
        f"No checkpoint in {directory / _CHECKPOINTS} can be read as a "
        f"{model.name} of {model.output_shape[-1]} classes."
    )

"""The models and numbers of a run, and where they start from."""

import pathlib

import keras
import tensorflow as tf

from noisy_student import models
from noisy_student.errors import InputError
from noisy_student.methods import base
from noisy_student.training import (
    averaging,
    checkpoints,
    distribution,
    optimizers,
    schedules,
)
from noisy_student.training.settings import RunSettings


class TrainingState:
    """All that a checkpoint keeps.

    Build in the scope of the strategy, on every worker alike.

    Args:
        settings: of the run.
        method: whose state is kept too.
        num_labeled: labelled images, which make an epoch.
        devices: that train.

    Attributes:
        student: the model in training.
        average: its averaged weights.
        learning_rate: of a step.
        optimizer: counts the steps.
        seconds: spent before the last checkpoint, float64 ().
    """

    def __init__(
        self,
        settings: RunSettings,
        method: base.Method,
        num_labeled: int,
        devices: distribution.Devices,
    ) -> None:
        self._settings = settings
        self._devices = devices
        self.student = models.build_model(settings.model)
        self.average = models.build_model(settings.model)
        self.learning_rate = schedules.learning_rate(
            settings.train, num_labeled
        )
        self.optimizer = optimizers.rmsprop(self.learning_rate)
        self.optimizer.build(self.student.trainable_variables)
        self.seconds = tf.Variable(0.0, trainable=False, dtype="float64")
        self._kept = {
            "student": self.student,
            "average": self.average,
            "optimizer": self.optimizer,
            "method": tf.train.Checkpoint(**method.state()),
            "random_states": _random_states(self.student),
            "seconds": self.seconds,
        }
        self.checkpoints = self.checkpoints_in(
            settings.directory / "checkpoints", settings.run.keep_checkpoint_max
        )

    @property
    def step(self) -> int:
        """Number of finished steps."""
        return int(self.optimizer.iterations.numpy())

    def checkpoints_in(
        self, directory: pathlib.Path, keep: int
    ) -> checkpoints.Checkpoints:
        """Checkpoints of this state in a directory."""
        return checkpoints.Checkpoints(directory, keep, **self._kept)

    def start(self) -> None:
        """Finds the weights and the step to begin with.

        (1) The newest checkpoint that can be read, or else (2) the weights of
        `init_model_path`, a file of this program or (3) a checkpoint of the
        original, or else (4) fresh weights.
        """
        averaging.start(self.average, self.student)
        path = self._settings.train.init_model_path
        if not self._resume() and path is not None:
            self._initialize(models.find(path))

    def _resume(self) -> bool:
        """Takes up the newest checkpoint of the chief; whether there is one."""
        newest = None
        if self._devices.is_chief:
            newest = self.checkpoints.restore_newest()
        step = self._devices.agree(-1 if newest is None else newest)
        if step < 0:
            return False
        if not self._devices.is_chief:
            try:
                self.checkpoints.restore(step)
            except InputError as error:
                raise InputError(
                    f"{error} The chief has it: model_dir must be in a file "
                    "system that all workers share."
                ) from error
        return True

    def _initialize(self, path: str) -> None:
        weights = models.read_weights(path)
        new_head = self._settings.train.allow_new_head
        models.assign(self.student, weights, path, new_head)
        averaging.start(self.average, self.student)


def _random_states(model: keras.Model) -> list[tf.Variable]:
    """The states of dropout's seeds, which checkpoints leave out of models.

    With them, a resumed run draws what an uninterrupted one would have.
    """
    weights = {id(weight) for weight in model.weights}
    return [v.value for v in model.variables if id(v) not in weights]

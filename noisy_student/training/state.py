"""The models and numbers of a run, and where they start from."""

import pathlib

import tensorflow as tf

from noisy_student import models
from noisy_student.methods import base
from noisy_student.training import (
    averaging,
    distribution,
    optimizers,
    schedules,
    worker_checkpoints,
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
        self.optimizer = optimizers.make_optimizer(
            settings.train, num_labeled, self.learning_rate
        )
        self.optimizer.build(self.student.trainable_variables)
        self.seconds = tf.Variable(0.0, trainable=False, dtype="float64")
        self._kept = {
            "student": self.student,
            "average": self.average,
            "optimizer": self.optimizer,
            "method": tf.train.Checkpoint(**method.state()),
            # Checkpoints leave them out of models. With them, a resumed run
            # draws what an uninterrupted one would have.
            "random_states": [
                state.value
                for model in (self.student, self.average)
                for state in models.random_states(model)
            ],
            "seconds": self.seconds,
        }
        self.checkpoints = worker_checkpoints.WorkerCheckpoints(
            settings.directory / "checkpoints",
            settings.run.keep_checkpoint_max,
            devices,
            self._kept,
            method.own_state(),
        )

    @property
    def step(self) -> int:
        """Number of finished steps."""
        return int(self.optimizer.iterations.numpy())

    def shared_checkpoints_in(
        self, directory: pathlib.Path, keep: int
    ) -> worker_checkpoints.WorkerCheckpoints:
        """Checkpoints elsewhere, without what each worker has of its own."""
        return worker_checkpoints.WorkerCheckpoints(
            directory, keep, self._devices, self._kept, {}
        )

    def start(self) -> None:
        """Finds the weights and the step to begin with.

        (1) The newest checkpoint that can be read, or else (2) the weights of
        `init_model_path`, a file of this program or (3) a checkpoint of the
        original, or else (4) fresh weights.
        """
        averaging.start(self.average, self.student)
        path = self._settings.train.init_model_path
        if self.checkpoints.restore_newest() is None and path is not None:
            self._initialize(models.resolve_model_path(path))

    def _initialize(self, path: str) -> None:
        weights = models.read_weights(path)
        new_head = self._settings.train.allow_new_head
        models.assign(self.student, weights, path, new_head)
        averaging.start(self.average, self.student)

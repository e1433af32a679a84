"""What one run of training is given."""

import dataclasses
import pathlib
from collections.abc import Callable

import tensorflow as tf

from noisy_student import evaluation, methods
from noisy_student.config import ModelConfig, RunConfig, TrainConfig
from noisy_student.training import distribution


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
            beginning with those of a given step.
        num_labeled: number of labelled images, which make an epoch.
        evaluator: evaluates the averaged model.
        devices: the devices that train.
        seed: of initial weights and dropout.
        description: text of the progress bar.
    """

    directory: pathlib.Path
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

    @property
    def total_steps(self) -> int:
        """Number of steps of the run."""
        return self.train_config.total_steps(self.num_labeled)

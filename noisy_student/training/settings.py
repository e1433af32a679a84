"""What a run is given."""

import dataclasses
import pathlib
from collections.abc import Callable

import tensorflow as tf

from noisy_student import evaluation
from noisy_student.config import ModelConfig, RunConfig, TrainConfig


@dataclasses.dataclass(frozen=True)
class TrainingImages:
    """The images of a run.

    Attributes:
        batches: makes the endless training batches of a worker's replicas,
            from a step on.
        num_labeled: labelled images, which make an epoch.
        test: one pass over a worker's part of the test images.
        num_test: how many there are, over all workers.
    """

    batches: Callable[[tf.distribute.InputContext, int], tf.data.Dataset]
    num_labeled: int
    test: evaluation.Batches
    num_test: int


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """What one run trains and how; `directory` is where it is kept."""

    directory: pathlib.Path
    model: ModelConfig
    train: TrainConfig
    run: RunConfig
    total_steps: int
    seed: int
    description: str

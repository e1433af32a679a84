"""What a method is: where the targets of its losses come from.

Step, loop, optimizer, averaging and checkpoints know no method by name; they
call what is declared here.
"""

import abc
import dataclasses
from typing import Any

import keras
import tensorflow as tf

Batch = dict[str, tf.Tensor]


@dataclasses.dataclass(frozen=True)
class LossTerm:
    """A part of the loss: factor * mean(weights * losses).

    Attributes:
        losses: float32 (examples,), of one replica.
        weights: float32 (examples,); 0 leaves an example out, but it still
            counts in the mean's denominator.
        factor: of the term in the total.
    """

    losses: tf.Tensor
    weights: tf.Tensor
    factor: float = 1.0

    def mean(self) -> tf.Tensor:
        """The mean of weights * losses over the replica's examples."""
        return tf.reduce_mean(self.weights * self.losses)


@dataclasses.dataclass(frozen=True)
class Losses:
    """What a method makes of a batch.

    Attributes:
        terms: parts of the loss by the name of their summary.
        metrics: scalars to log, by name; no gradient is taken of them.
    """

    terms: dict[str, LossTerm]
    metrics: dict[str, tf.Tensor]


class Method(abc.ABC):
    """A way to learn from labelled and unlabelled images.

    Attributes:
        batch_keys: the keys of the batch that it reads; the pipeline makes
            those and no others.
    """

    batch_keys: tuple[str, ...]

    @abc.abstractmethod
    def compute_losses(
        self, student: keras.Model, average: keras.Model, batch: Batch
    ) -> Losses:
        """Per-example losses on one replica's part of a batch.

        Runs in a gradient tape and in replica context.

        Args:
            student: the model in training; call it with `training=True`.
            average: the averaged model, to be called without training.
            batch: the keys of `batch_keys`.
        """

    def state(self) -> dict[str, Any]:
        """What checkpoints must keep of the method; nothing by default.

        Returns:
            Trackable objects, such as variables, by name.
        """
        return {}

    def after_step(self, step: tf.Tensor) -> None:
        """An update after each step, across replicas; none by default.

        Args:
            step: int64, number of finished steps.
        """
        del step

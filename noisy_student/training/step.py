"""One training step: forward, loss, gradient, update, average.

The only place that scales by the number of replicas and of parts: gradients
are summed over both, so each loss is divided by their number once, here.
"""

import dataclasses

import keras
import tensorflow as tf

from noisy_student import models
from noisy_student.config import TrainConfig
from noisy_student.methods import base, losses
from noisy_student.training import accumulation, averaging

Metrics = dict[str, tf.Tensor]


@dataclasses.dataclass(frozen=True)
class StepSettings:
    """The numbers of a step; see `config.TrainConfig`."""

    weight_decay: float
    moving_average_decay: float
    accumulation_steps: int = 1

    @classmethod
    def of(cls, train: TrainConfig) -> "StepSettings":
        """Those of a run."""
        return cls(
            train.weight_decay,
            train.moving_average_decay,
            train.accumulation_steps,
        )


class Step:
    """What one replica does in a step; its methods run in replica context.

    Build in the scope of the strategy that the models were built in.

    Args:
        method: where the losses come from.
        student: is trained.
        average: follows it.
        optimizer: built of the student's trainable variables.
        settings: numbers.
    """

    def __init__(
        self,
        method: base.Method,
        student: keras.Model,
        average: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        settings: StepSettings,
    ) -> None:
        self.method = method
        self.student = student
        self.average = average
        self.optimizer = optimizer
        self.settings = settings
        self._variables = student.trainable_variables
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        self._share = 1 / (replicas * settings.accumulation_steps)
        if settings.accumulation_steps > 1:
            self._gradient_sum = accumulation.GradientSum(self._variables)

    def whole(self, batch: base.Batch) -> Metrics:
        """A step on a batch at once."""
        gradients, metrics = self._gradients(batch)
        self._update(gradients)
        return metrics

    def part(self, batch: base.Batch) -> Metrics:
        """One of `accumulation_steps` parts; `end` makes the step of them."""
        gradients, metrics = self._gradients(batch)
        self._gradient_sum.add(gradients)
        return metrics

    def end(self) -> None:
        """Updates with the sum of the parts."""
        self._update(self._gradient_sum.take())

    def _gradients(self, batch: base.Batch) -> tuple[list[tf.Tensor], Metrics]:
        with tf.GradientTape() as tape:
            result = self.method.compute_losses(
                self.student,
                self.average,
                batch,
                tf.convert_to_tensor(self.optimizer.iterations),
            )
            loss, metrics = total_loss(
                result, self._variables, self.settings.weight_decay
            )
            scaled = loss * self._share
        values = [variable.value for variable in self._variables]
        return tape.gradient(scaled, values), metrics

    def _update(self, gradients: list[tf.Tensor]) -> None:
        self.optimizer.apply(gradients, self._variables)
        models.share_statistics(self.student)
        finished = self.optimizer.iterations.value
        decay = self.method.average_decay(finished)
        if decay is None:
            decay = averaging.decay_at(
                finished, self.settings.moving_average_decay
            )
        averaging.update(self.average, self.student, decay)


def total_loss(
    result: base.Losses, variables: list, weight_decay: float
) -> tuple[tf.Tensor, Metrics]:
    """Sums the terms of one replica.

    Args:
        result: what the method made of the batch.
        variables: trainable variables, for the weight decay.
        weight_decay: its factor.

    Returns:
        The scalar loss, and the metrics: the method's, each term's mean,
        `train/data_loss` (without weight decay) and `train/loss`.
    """
    means = {name: term.mean() for name, term in result.terms.items()}
    data_loss = tf.add_n(
        [term.factor * means[name] for name, term in result.terms.items()]
    )
    loss = data_loss + weight_decay * losses.weight_decay(variables)
    totals = {"train/data_loss": data_loss, "train/loss": loss}
    return loss, result.metrics | means | totals

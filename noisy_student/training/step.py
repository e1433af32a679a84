"""One training step: forward, loss, gradient, update, average.

The only place that scales by the numbers of replicas and of pieces of a
batch: gradients are summed over both, so each loss is divided by them here.
"""

import dataclasses

import keras
import tensorflow as tf

from noisy_student import models
from noisy_student.config import TrainConfig
from noisy_student.methods import base, losses
from noisy_student.training import averaging

Metrics = dict[str, tf.Tensor]


@dataclasses.dataclass(eq=False)
class Step:
    """What one replica does in a step; its methods run in replica context.

    Build it in the scope of the strategy that the models were built in.

    Attributes:
        method: computes the losses.
        student: the model in training.
        average: the averaged model.
        optimizer: built with the student's trainable variables.
        train: has `weight_decay`, `moving_average_decay` and
            `accumulation_steps`.
    """

    method: base.Method
    student: keras.Model
    average: keras.Model
    optimizer: keras.optimizers.Optimizer
    train: TrainConfig

    def __post_init__(self) -> None:
        self.num_pieces = self.train.accumulation_steps
        self._variables = self.student.trainable_variables
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        self._share = 1 / (replicas * self.num_pieces)
        # Zero between steps, so that checkpoints need not have them.
        self._gradient_sums = []
        if self.num_pieces > 1:
            self._gradient_sums = [_sum_of(v) for v in self._variables]

    def run(self, batch: base.Batch) -> Metrics:
        """Takes a step on a whole batch.

        Returns:
            Scalars by name; see `total_loss`.
        """
        gradients, metrics = self._gradients(batch)
        self._update(gradients)
        return metrics

    def accumulate(self, piece: base.Batch) -> Metrics:
        """Adds the gradients of one of `num_pieces` pieces of a batch.

        Returns:
            Scalars of the piece by name; see `total_loss`.
        """
        gradients, metrics = self._gradients(piece)
        for total, gradient in zip(self._gradient_sums, gradients, strict=True):
            total.assign_add(gradient)
        return metrics

    def apply_accumulated(self) -> None:
        """Takes the step whose pieces were accumulated."""
        sums = [total.read_value() for total in self._gradient_sums]
        for total in self._gradient_sums:
            total.assign(tf.zeros_like(total))
        self._update(sums)

    def _gradients(self, batch: base.Batch) -> tuple[list[tf.Tensor], Metrics]:
        with tf.GradientTape() as tape:
            result = self.method.compute_losses(
                self.student,
                self.average,
                batch,
                tf.convert_to_tensor(self.optimizer.iterations),
            )
            loss, metrics = total_loss(
                result, self._variables, self.train.weight_decay
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
                finished, self.train.moving_average_decay
            )
        averaging.update(self.average, self.student, decay)


def _sum_of(variable: keras.Variable) -> tf.Variable:
    """Returns a sum of gradients on each replica, zero at first."""
    return tf.Variable(
        tf.zeros(variable.shape, variable.dtype),
        trainable=False,
        # Each replica has its own.
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.SUM,
    )


def total_loss(
    result: base.Losses, variables: list, weight_decay: float
) -> tuple[tf.Tensor, Metrics]:
    """Sums the terms of the loss of one replica.

    Args:
        result: what the method computed from the batch.
        variables: trainable variables, for the weight decay.
        weight_decay: factor of the sum of v^2 / 2.

    Returns:
        The loss, float32 (), and the metrics: the method's, each term's mean,
        `train/data_loss` (without weight decay) and `train/loss`.
    """
    means = {name: term.mean() for name, term in result.terms.items()}
    data_loss = tf.add_n(
        [term.factor * means[name] for name, term in result.terms.items()]
    )
    loss = data_loss + weight_decay * losses.weight_decay(variables)
    totals = {"train/data_loss": data_loss, "train/loss": loss}
    return loss, result.metrics | means | totals

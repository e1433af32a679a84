"""One training step: forward, loss, gradient, update, average.

The only place that scales by the number of replicas: gradients are summed
over replicas by the optimizer, so each replica's loss is divided by their
number once, here.
"""

from collections.abc import Callable, Iterator

import keras
import tensorflow as tf

from noisy_student.methods import base, losses
from noisy_student.training import averaging

Metrics = dict[str, tf.Tensor]


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


def make_train_loop(
    method: base.Method,
    student: keras.Model,
    average: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    weight_decay: float,
    moving_average_decay: float,
) -> Callable[[Iterator, tf.Tensor], Metrics]:
    """Builds the function that runs steps on the device.

    Call in the scope of the strategy that the models were built in.

    Returns:
        A compiled function of (iterator over batches, int32 number of steps)
        that trains and returns the metrics averaged over these steps.
    """
    strategy = tf.distribute.get_strategy()
    replicas = strategy.num_replicas_in_sync

    def replica_step(batch: base.Batch) -> Metrics:
        variables = student.trainable_variables
        with tf.GradientTape() as tape:
            result = method.compute_losses(student, average, batch)
            loss, metrics = total_loss(result, variables, weight_decay)
            loss = loss / replicas
        gradients = tape.gradient(loss, [v.value for v in variables])
        optimizer.apply(gradients, variables)
        return metrics

    @tf.function  # traced once, though the loop below calls it twice
    def step(batch: base.Batch) -> Metrics:
        per_replica = strategy.run(replica_step, args=(batch,))
        finished = optimizer.iterations.value
        decay = averaging.decay_at(finished, moving_average_decay)
        averaging.update(average, student, decay)
        method.after_step(finished)
        return {
            name: strategy.reduce(tf.distribute.ReduceOp.MEAN, value, axis=None)
            for name, value in per_replica.items()
        }

    @tf.function
    def train_loop(iterator: Iterator, num_steps: tf.Tensor) -> Metrics:
        sums = step(next(iterator))
        for _ in tf.range(num_steps - 1):
            metrics = step(next(iterator))
            sums = {name: sums[name] + metrics[name] for name in sums}
        count = tf.cast(num_steps, tf.float32)
        return {name: value / count for name, value in sums.items()}

    return train_loop

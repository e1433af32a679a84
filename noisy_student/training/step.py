"""One training step: forward, loss, gradient, update, average.

The only place that scales by the number of replicas and of parts: gradients
are summed over both, so each loss is divided by their number once, here.
"""

import dataclasses
from collections.abc import Callable, Iterator

import keras
import tensorflow as tf

from noisy_student.config import TrainConfig
from noisy_student.methods import base, losses
from noisy_student.training import accumulation, averaging

Metrics = dict[str, tf.Tensor]
_STOP = "stop"


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


@dataclasses.dataclass(frozen=True)
class LoopResult:
    """What a call of the training loop leaves.

    Attributes:
        metrics: means over the steps.
        last: of the last step alone.
        stopped: whether some worker was asked to stop.
    """

    metrics: dict[str, float]
    last: dict[str, float]
    stopped: bool


# From an iterator over batches and a number of steps.
TrainLoop = Callable[[Iterator, int], LoopResult]


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
    settings: StepSettings,
    stop: tf.Variable | None = None,
) -> TrainLoop:
    """Builds the function that runs steps on the device.

    It returns early after a step whose loss is not finite, and after one
    during which any worker's `stop` was set. Call in the scope of the
    strategy that the models were built in.

    Args:
        method: where the losses come from.
        student: is trained.
        average: follows it.
        optimizer: built of the student's trainable variables.
        settings: numbers.
        stop: float32 (), 1 to stop, of this process alone.
    """
    strategy = tf.distribute.get_strategy()
    variables = student.trainable_variables
    parts = settings.accumulation_steps
    share = 1 / (strategy.num_replicas_in_sync * parts)
    if parts > 1:
        gradient_sum = accumulation.GradientSum(variables)
    names: list[str] = []

    def compute(batch: base.Batch, stop: tf.Tensor):
        """Gradients of one part's loss on one replica, and its metrics."""
        with tf.GradientTape() as tape:
            result = method.compute_losses(student, average, batch)
            loss, metrics = total_loss(result, variables, settings.weight_decay)
            scaled = loss * share
        gradients = tape.gradient(scaled, [v.value for v in variables])
        metrics = metrics | {_STOP: stop}
        names[:] = metrics
        return gradients, tf.stack([metrics[name] for name in names])

    def update(gradients: list[tf.Tensor]) -> None:
        optimizer.apply(gradients, variables)
        decay = averaging.decay_at(
            optimizer.iterations.value, settings.moving_average_decay
        )
        averaging.update(average, student, decay)

    def whole_step(batch: base.Batch, stop: tf.Tensor) -> tf.Tensor:
        gradients, metrics = compute(batch, stop)
        update(gradients)
        return metrics

    def part_of_step(batch: base.Batch, stop: tf.Tensor) -> tf.Tensor:
        gradients, metrics = compute(batch, stop)
        gradient_sum.add(gradients)
        return metrics

    def end_of_step() -> None:
        update(gradient_sum.take())

    def run(replica_step: Callable, iterator: Iterator) -> tf.Tensor:
        flag = tf.zeros([]) if stop is None else stop.read_value()
        metrics = strategy.run(replica_step, args=(next(iterator), flag))
        return strategy.reduce(tf.distribute.ReduceOp.MEAN, metrics, axis=None)

    @tf.function  # traced once, though called twice
    def part(iterator: Iterator) -> tf.Tensor:
        return run(part_of_step, iterator)

    @tf.function
    def step(iterator: Iterator) -> tf.Tensor:
        if parts == 1:
            metrics = run(whole_step, iterator)
        else:
            metrics = part(iterator)
            for _ in tf.range(parts - 1):
                metrics += part(iterator)
            metrics /= parts
            strategy.run(end_of_step)
        method.after_step(optimizer.iterations.value)
        return metrics

    def goes_on(metrics: tf.Tensor) -> tf.Tensor:
        of = dict(zip(names, tf.unstack(metrics, len(names)), strict=True))
        return tf.math.is_finite(of["train/loss"]) & (of[_STOP] == 0)

    @tf.function
    def train_loop(iterator: Iterator, num_steps: tf.Tensor):
        last = step(iterator)
        total, done = last, 1
        while done < num_steps and goes_on(last):
            last = step(iterator)
            total, done = total + last, done + 1
        return total / tf.cast(done, tf.float32), last

    def run_loop(iterator: Iterator, num_steps: int) -> LoopResult:
        means, last = (
            dict(zip(names, values.numpy().tolist(), strict=True))
            for values in train_loop(iterator, tf.constant(num_steps))
        )
        means.pop(_STOP)
        return LoopResult(means, last, last.pop(_STOP) > 0)

    return run_loop

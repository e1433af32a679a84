"""The training loop: many steps in one call on the devices.

A step is forward, loss, gradient, update, average, below each other in
`TrainLoop`. Only `_gradients` scales by the numbers of replicas and of pieces
of a batch: gradients are summed over both, so each loss is divided by them.
"""

import dataclasses
from collections.abc import Callable, Iterator

import keras
import tensorflow as tf

from noisy_student import models
from noisy_student.config import TrainConfig
from noisy_student.methods import base, losses
from noisy_student.training import averaging

_LOSS = "train/loss"
_STOP = "stop"

Metrics = dict[str, tf.Tensor]


def as_it_is(batch: base.Batch) -> base.Batch:
    """Returns the batch."""
    return batch


@dataclasses.dataclass(frozen=True)
class LoopResult:
    """The outcome of one call of the training loop.

    Attributes:
        metrics: metrics by name, means over the steps.
        last: metrics of the last step.
        stopped: whether any worker was asked to stop.
    """

    metrics: dict[str, float]
    last: dict[str, float]
    stopped: bool


@dataclasses.dataclass(eq=False)
class TrainLoop:
    """Runs steps on the devices.

    A call returns early after a step whose loss is not finite, and after one
    during which `stop` was set on any worker. Build it in the scope of the
    strategy that the models were built in.

    Attributes:
        method: computes the losses.
        student: the model in training.
        average: the averaged model.
        optimizer: built with the student's trainable variables.
        train: has `weight_decay`, `moving_average_decay` and
            `accumulation_steps`.
        stop: float32 (), above 0 asks to stop; each worker has its own. None
            is never set.
        prepare: what the step does to a replica's batch before the method
            sees it.
    """

    method: base.Method
    student: keras.Model
    average: keras.Model
    optimizer: keras.optimizers.Optimizer
    train: TrainConfig
    stop: tf.Variable | None = None
    prepare: Callable[[base.Batch], base.Batch] = as_it_is

    def __post_init__(self) -> None:
        self._strategy = tf.distribute.get_strategy()
        self._variables = self.student.trainable_variables
        self._pieces = self.train.accumulation_steps
        # Zero between steps, so that checkpoints need not have them.
        self._gradient_sums = []
        if self._pieces > 1:
            self._gradient_sums = [_sum_of(v) for v in self._variables]
        self._names: list[str] = []  # of the metrics, known once traced

    def __call__(self, iterator: Iterator, num_steps: int) -> LoopResult:
        """Runs `num_steps` steps on the next batches of every replica."""
        if not self._names:
            self._run_batch.get_concrete_function(iterator)
        means, last = (
            dict(zip(self._names, values.numpy().tolist(), strict=True))
            for values in self._run(iterator, tf.constant(num_steps))
        )
        means.pop(_STOP)
        return LoopResult(means, last, last.pop(_STOP) > 0)

    @tf.function
    def _run(
        self, iterator: Iterator, num_steps: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        last = total = tf.zeros([len(self._names)])
        done = 0
        # No step is outside the loop: a compiler would make something of it
        # that differs in the last bits.
        while done < num_steps and (done == 0 or self._goes_on(last)):
            last = self._run_step(iterator)
            total, done = total + last, done + 1
        return total / tf.cast(done, tf.float32), last

    def _goes_on(self, metrics: tf.Tensor) -> tf.Tensor:
        loss, stop = (metrics[self._names.index(n)] for n in (_LOSS, _STOP))
        return tf.math.is_finite(loss) & (stop == 0)

    def _run_step(self, iterator: Iterator) -> tf.Tensor:
        if self._pieces == 1:
            metrics = self._run_batch(iterator)
        else:
            metrics = tf.zeros([len(self._names)])
            for _ in tf.range(self._pieces):
                metrics += self._run_batch(iterator)
            metrics /= self._pieces
            self._strategy.run(self._apply_accumulated)
        self.method.after_step(self.optimizer.iterations.value)
        return metrics

    @tf.function
    def _run_batch(self, iterator: Iterator) -> tf.Tensor:
        """Returns the metrics of a batch or a piece, means over replicas."""
        stop = tf.zeros([]) if self.stop is None else self.stop.read_value()
        metrics = self._strategy.run(
            self._on_replica, args=(next(iterator), stop)
        )
        mean = tf.distribute.ReduceOp.MEAN
        return self._strategy.reduce(mean, metrics, axis=None)

    # A method: AutoGraph would leave a nested function's threads alone.
    def _on_replica(self, batch: base.Batch, stop: tf.Tensor) -> tf.Tensor:
        """Returns all metrics in one vector: one message between workers."""
        metrics = self.step(batch) | {_STOP: stop}
        self._names[:] = metrics
        return tf.stack(list(metrics.values()))

    def step(self, batch: base.Batch) -> Metrics:
        """Takes one replica's step on a batch; runs in replica context.

        With `accumulation_steps`, the batch is a piece, whose gradients are
        only added up.

        Returns:
            Scalars by name; see `total_loss`.
        """
        gradients, metrics = self._gradients(self.prepare(batch))
        if self._pieces == 1:
            self._update(gradients)
        else:
            sums = zip(self._gradient_sums, gradients, strict=True)
            for total, gradient in sums:
                total.assign_add(gradient)
        return metrics

    def _gradients(self, batch: base.Batch) -> tuple[list[tf.Tensor], Metrics]:
        share = 1 / (self._strategy.num_replicas_in_sync * self._pieces)
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
            scaled = loss * share
        values = [variable.value for variable in self._variables]
        return tape.gradient(scaled, values), metrics

    def _apply_accumulated(self) -> None:
        """Takes the step whose pieces were accumulated."""
        sums = [total.read_value() for total in self._gradient_sums]
        for total in self._gradient_sums:
            total.assign(tf.zeros_like(total))
        self._update(sums)

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

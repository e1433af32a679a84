"""The training loop: many steps in one call on the devices.

A step is forward, loss, gradient, update, average, below each other in
`TrainLoop`. Only `_gradients` scales by the numbers of replicas and of pieces
of a batch: gradients are summed over both, so each loss is divided by them.

The host looks at no step's outcome before the call ends: the devices skip one
whose loss or gradient is not finite.
"""

import dataclasses
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from noisy_student import models
from noisy_student.config import TrainConfig
from noisy_student.methods import base
from noisy_student.training import averaging, compilation
from noisy_student.training.loss_scale import LossScale
from noisy_student.training.objective import Metrics, total_loss
from noisy_student.training.optimizers import Guarded
from noisy_student.training.variables import per_replica

# The last of each step's metrics: whether to stop, and whether it failed.
_STOP, _FAILED = "stop", "failed"


def as_it_is(batch: base.Batch) -> base.Batch:
    """Returns the batch."""
    return batch


@dataclasses.dataclass(frozen=True)
class Failure:
    """The first step of a call whose loss or gradient was not finite.

    Attributes:
        step: its place in the call, from 0.
        metrics: its metrics by name.
    """

    step: int
    metrics: dict[str, float]


@dataclasses.dataclass(frozen=True)
class LoopResult:
    """The outcome of one call of the training loop.

    Attributes:
        metrics: metrics by name, means over the steps.
        failure: None where all steps were good, or skipped as
            `TrainLoop.loss_scale` foresees.
        stopped: whether any worker was asked to stop.
    """

    metrics: dict[str, float]
    failure: Failure | None
    stopped: bool


@dataclasses.dataclass(eq=False)
class TrainLoop:
    """Runs steps on the devices.

    A step whose loss or gradient is not finite leaves weights, averages and
    statistics as they were, on all replicas. A call returns early after
    `stop` was set on any worker. Build it in the scope of the strategy that
    the models were built in.

    Attributes:
        method: computes the losses.
        student: the model in training.
        average: the averaged model.
        optimizer: built with the student's trainable variables.
        train: has `weight_decay`, `moving_average_decay` and
            `accumulation_steps`.
        stop: float32 (), above 0 asks to stop; each worker has its own. None
            is never set.
        stop_check_steps: number of steps between two looks at `stop`, which
            wait for the devices.
        loss_scale: for float16; None leaves the loss as it is.
        compiled: whether XLA compiles each replica's step.
        prepare: what the step does to a replica's batch before the method
            sees it.
    """

    method: base.Method
    student: keras.Model
    average: keras.Model
    optimizer: Guarded
    train: TrainConfig
    stop: tf.Variable | None = None
    stop_check_steps: int = 10
    loss_scale: LossScale | None = None
    compiled: bool = False
    prepare: Callable[[base.Batch], base.Batch] = as_it_is

    def __post_init__(self) -> None:
        self._strategy = tf.distribute.get_strategy()
        self._variables = self.student.trainable_variables
        self._statistics = models.moving_statistics(self.student)
        self._pieces = self.train.accumulation_steps
        # Zero between steps, so that checkpoints need not have them.
        self._gradient_sums = []
        if self._pieces > 1:
            self._gradient_sums = [
                per_replica(tf.zeros(variable.shape, variable.dtype))
                for variable in self._variables
            ]
        self._names: list[str] = []  # of the metrics, known once traced
        self._computed: Callable = self._compute
        self._applied: Callable = self._apply
        if self.compiled:
            self._computed = compilation.compiled(self._compute)
            self._applied = compilation.compiled(self._apply)

    def __call__(self, iterator: Iterator, num_steps: int) -> LoopResult:
        """Runs `num_steps` steps on the next batches of every replica."""
        if not self._names:
            self._run_batch.get_concrete_function(iterator)
        means, failed_step, at_failure, stopped = (
            tensor.numpy()
            for tensor in self._run(iterator, tf.constant(num_steps))
        )
        failure = None
        if failed_step >= 0:
            failure = Failure(int(failed_step), self._named(at_failure))
        return LoopResult(self._named(means), failure, bool(stopped))

    def _named(self, values: np.ndarray) -> dict[str, float]:
        named = dict(zip(self._names, values.tolist(), strict=True))
        return {k: v for k, v in named.items() if k not in (_STOP, _FAILED)}

    @tf.function
    def _run(self, iterator: Iterator, num_steps: tf.Tensor) -> tuple:
        total = at_failure = tf.zeros([len(self._names)])
        failed_step = -1.0  # a float: GPUs select no integers
        done = 0
        stopped = False
        # No step is outside the loop: a compiler would make something of it
        # that differs in the last bits.
        while done < num_steps and not stopped:
            until = tf.minimum(done + self.stop_check_steps, num_steps)
            while done < until:
                last = self._run_step(iterator)
                is_first = (last[-1] > 0) & (failed_step < 0)
                place = tf.cast(done, tf.float32)
                failed_step = tf.where(is_first, place, failed_step)
                at_failure = tf.where(is_first, last, at_failure)
                total, done = total + last, done + 1
            stopped = total[-2] > 0
        means = total / tf.cast(done, tf.float32)
        return means, failed_step, at_failure, stopped

    def _run_step(self, iterator: Iterator) -> tf.Tensor:
        if self._pieces == 1:
            metrics = self._run_batch(iterator)
        else:
            metrics = tf.zeros([len(self._names)])
            before = self._strategy.run(self._read_statistics)
            for _ in tf.range(self._pieces):
                metrics += self._run_batch(iterator)
            failed = self._strategy.run(self._applied, args=(before,))
            failed = metrics[-1] + self._mean(failed)
            metrics = tf.concat([metrics[:-1] / self._pieces, [failed]], axis=0)
        self.method.after_step(self.optimizer.iterations.value)
        return metrics

    @tf.function
    def _run_batch(self, iterator: Iterator) -> tf.Tensor:
        """Returns the metrics of a batch or a piece, means over replicas."""
        stop = tf.zeros([]) if self.stop is None else self.stop.read_value()
        metrics = self._strategy.run(
            self._on_replica, args=(next(iterator), stop)
        )
        return self._mean(metrics)

    def _mean(self, values: tf.Tensor) -> tf.Tensor:
        mean = tf.distribute.ReduceOp.MEAN
        return self._strategy.reduce(mean, values, axis=None)

    # A method: AutoGraph would leave a nested function's threads alone.
    def _on_replica(self, batch: base.Batch, stop: tf.Tensor) -> tf.Tensor:
        """Returns all metrics in one vector: one message between workers."""
        metrics = self.step(batch)
        metrics |= {_STOP: stop, _FAILED: metrics.pop(_FAILED)}
        self._names[:] = metrics
        return tf.stack(list(metrics.values()))

    def step(self, batch: base.Batch) -> Metrics:
        """Takes one replica's step on a batch; runs in replica context.

        With `accumulation_steps`, the batch is a piece, whose gradients are
        only added up.

        Returns:
            Scalars by name: those of `total_loss`, and `failed`, above 0 where
            the loss is not finite, or as `_update` says.
        """
        batch = self.method.look_up(batch)
        metrics, kept = self._computed(batch)
        self.method.remember(batch, kept)
        return metrics

    def _compute(self, batch: base.Batch) -> tuple[Metrics, Metrics]:
        before = self._read_statistics()
        gradients, metrics, kept = self._gradients(self.prepare(batch))
        # No smaller `loss_scale` would help a loss.
        is_finite = tf.math.is_finite(metrics["train/loss"])
        failed = tf.cast(~is_finite, tf.float32)
        if self._pieces == 1:
            failed += self._update(gradients, before)
        else:
            sums = zip(self._gradient_sums, gradients, strict=True)
            for total, gradient in sums:
                total.assign_add(gradient)
        return metrics | {_FAILED: failed}, kept

    def _read_statistics(self) -> list[tf.Tensor]:
        return [statistic.read_value() for statistic in self._statistics]

    def _gradients(
        self, batch: base.Batch
    ) -> tuple[list[tf.Tensor], Metrics, Metrics]:
        share = 1 / (self._strategy.num_replicas_in_sync * self._pieces)
        with tf.GradientTape() as tape:
            result = self.method.compute_losses(
                self.student,
                self.average,
                batch,
                tf.convert_to_tensor(self.optimizer.iterations),
            )
            loss, metrics = total_loss(
                result, self._variables, self.train.loss_weight_decay
            )
            scaled = loss * share
            if self.loss_scale is not None:
                scaled *= self.loss_scale.factor
        values = [variable.value for variable in self._variables]
        gradients = tape.gradient(
            scaled,
            values,
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        # Where the loss is not finite, a gradient may be.
        gradients[-1] += 0 * loss
        return gradients, metrics, result.kept

    def _apply(self, before: list[tf.Tensor]) -> tf.Tensor:
        """Takes the step whose pieces were accumulated; see `_update`."""
        sums = [total.read_value() for total in self._gradient_sums]
        for total in self._gradient_sums:
            total.assign(tf.zeros_like(total))
        return self._update(sums, before)

    def _update(
        self, gradients: list[tf.Tensor], before: list[tf.Tensor]
    ) -> tf.Tensor:
        """Changes weights, statistics and averages, if all is finite.

        Args:
            gradients: of this replica.
            before: the moving statistics before the step.

        Returns:
            float32 (), 1 where not all was finite, and no smaller
            `loss_scale` is left to be tried.
        """
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync > 1:
            total = tf.distribute.ReduceOp.SUM
            gradients = context.all_reduce(total, gradients)
        # Not finite as soon as one element is not.
        squares = tf.add_n([tf.nn.l2_loss(gradient) for gradient in gradients])
        is_finite = tf.math.is_finite(squares)
        failed = ~is_finite
        if self.loss_scale is not None:
            factor = self.loss_scale.factor.read_value()
            gradients = [gradient / factor for gradient in gradients]
            failed &= ~self.loss_scale.may_shrink()
            self.loss_scale.update(is_finite)
        gradients[-1] += tf.where(is_finite, 0.0, float("nan"))
        self.optimizer.apply(gradients, self._variables)
        models.share_statistics(self._statistics, before, is_finite)
        decay = tf.where(is_finite, self._average_decay(), 1.0)
        averaging.update(self.average, self.student, decay)
        return tf.cast(failed, tf.float32)

    def _average_decay(self) -> tf.Tensor:
        finished = self.optimizer.iterations.value
        decay = self.method.average_decay(finished)
        if decay is not None:
            return decay
        return averaging.decay_at(finished, self.train.moving_average_decay)

"""The loop: many steps in one call on the devices."""

import dataclasses
from collections.abc import Iterator

import tensorflow as tf

from noisy_student.methods import base
from noisy_student.training import step

_LOSS = "train/loss"
_STOP = "stop"


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


class TrainLoop:
    """Runs steps on the devices.

    A call returns early after a step whose loss is not finite, and after one
    during which `stop` was set on any worker. Build it in the scope of the
    strategy that the step was built in.

    Args:
        replica_step: what each replica does.
        stop: float32 (), above 0 asks to stop; each worker has its own.
    """

    def __init__(
        self, replica_step: step.Step, stop: tf.Variable | None = None
    ) -> None:
        self._step = replica_step
        self._stop = stop
        self._strategy = tf.distribute.get_strategy()
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
        pieces = self._step.num_pieces
        if pieces == 1:
            metrics = self._run_batch(iterator)
        else:
            metrics = tf.zeros([len(self._names)])
            for _ in tf.range(pieces):
                metrics += self._run_batch(iterator)
            metrics /= pieces
            self._strategy.run(self._step.apply_accumulated)
        self._step.method.after_step(self._step.optimizer.iterations.value)
        return metrics

    @tf.function
    def _run_batch(self, iterator: Iterator) -> tf.Tensor:
        """Returns the metrics of a batch or a piece, means over replicas."""
        asked = tf.zeros([]) if self._stop is None else self._stop.read_value()
        metrics = self._strategy.run(
            self._on_replica, args=(next(iterator), asked)
        )
        mean = tf.distribute.ReduceOp.MEAN
        return self._strategy.reduce(mean, metrics, axis=None)

    def _on_replica(self, batch: base.Batch, stop: tf.Tensor) -> tf.Tensor:
        """Returns all metrics in one vector: one message between workers."""
        whole = self._step.num_pieces == 1
        compute = self._step.run if whole else self._step.accumulate
        metrics = compute(batch) | {_STOP: stop}
        self._names[:] = metrics
        return tf.stack(list(metrics.values()))

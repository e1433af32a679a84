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
    """What a call of the training loop leaves.

    Attributes:
        metrics: means over the steps.
        last: of the last step alone.
        stopped: whether some worker was asked to stop.
    """

    metrics: dict[str, float]
    last: dict[str, float]
    stopped: bool


class TrainLoop:
    """The function that runs steps on the devices.

    A call returns early after a step whose loss is not finite, and after one
    during which any worker's `stop` was set. Build in the scope of the
    strategy that the step was built in.

    Args:
        replica_step: what each replica does.
        stop: float32 (), above 0 to stop, of this process alone.
    """

    def __init__(
        self, replica_step: step.Step, stop: tf.Variable | None = None
    ) -> None:
        self._step = replica_step
        self._stop = stop
        self._strategy = tf.distribute.get_strategy()
        self._parts = replica_step.settings.accumulation_steps
        self._names: list[str] = []  # of the metrics, once they are traced

    def __call__(self, iterator: Iterator, num_steps: int) -> LoopResult:
        """Runs steps, each on the next batch of every replica."""
        if not self._names:
            self._one_pass.get_concrete_function(iterator)
        means, last = (
            dict(zip(self._names, values.numpy().tolist(), strict=True))
            for values in self._loop(iterator, tf.constant(num_steps))
        )
        means.pop(_STOP)
        return LoopResult(means, last, last.pop(_STOP) > 0)

    @tf.function
    def _loop(
        self, iterator: Iterator, num_steps: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        last = total = tf.zeros([len(self._names)])
        done = 0
        # Every step is in the loop: what a compiler makes of one outside of
        # it would differ in the last bits.
        while done < num_steps and (done == 0 or self._goes_on(last)):
            last = self._one_step(iterator)
            total, done = total + last, done + 1
        return total / tf.cast(done, tf.float32), last

    def _goes_on(self, metrics: tf.Tensor) -> tf.Tensor:
        loss, stop = (metrics[self._names.index(n)] for n in (_LOSS, _STOP))
        return tf.math.is_finite(loss) & (stop == 0)

    def _one_step(self, iterator: Iterator) -> tf.Tensor:
        if self._parts == 1:
            metrics = self._one_pass(iterator)
        else:
            metrics = tf.zeros([len(self._names)])
            for _ in tf.range(self._parts):
                metrics += self._one_pass(iterator)
            metrics /= self._parts
            self._strategy.run(self._step.end)
        self._step.method.after_step(self._step.optimizer.iterations.value)
        return metrics

    @tf.function
    def _one_pass(self, iterator: Iterator) -> tf.Tensor:
        """Metrics of a batch, or of a part of one: means over replicas."""
        asked = tf.zeros([]) if self._stop is None else self._stop.read_value()
        metrics = self._strategy.run(
            self._on_replica, args=(next(iterator), asked)
        )
        mean = tf.distribute.ReduceOp.MEAN
        return self._strategy.reduce(mean, metrics, axis=None)

    def _on_replica(self, batch: base.Batch, stop: tf.Tensor) -> tf.Tensor:
        """All metrics in one vector: one message between workers."""
        compute = self._step.whole if self._parts == 1 else self._step.part
        metrics = compute(batch) | {_STOP: stop}
        self._names[:] = metrics
        return tf.stack(list(metrics.values()))

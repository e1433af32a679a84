"""The loop: many steps in one call on the devices."""

import dataclasses
from collections.abc import Callable, Iterator

import tensorflow as tf

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


# From an iterator over batches and a number of steps.
TrainLoop = Callable[[Iterator, int], LoopResult]


def make_train_loop(
    replica_step: step.Step, stop: tf.Variable | None = None
) -> TrainLoop:
    """Builds the function that runs steps on the device.

    It returns early after a step whose loss is not finite, and after one
    during which any worker's `stop` was set. Call in the scope of the
    strategy that the step was built in.

    Args:
        replica_step: what each replica does.
        stop: float32 (), above 0 to stop, of this process alone.
    """
    strategy = tf.distribute.get_strategy()
    parts = replica_step.settings.accumulation_steps
    names: list[str] = []

    def run(compute: Callable, iterator: Iterator) -> tf.Tensor:
        """Means over replicas, as one vector: one message between them."""

        def on_replica(batch, stop: tf.Tensor) -> tf.Tensor:
            metrics = compute(batch) | {_STOP: stop}
            names[:] = metrics
            return tf.stack(list(metrics.values()))

        asked = tf.zeros([]) if stop is None else stop.read_value()
        metrics = strategy.run(on_replica, args=(next(iterator), asked))
        return strategy.reduce(tf.distribute.ReduceOp.MEAN, metrics, axis=None)

    @tf.function
    def one_pass(iterator: Iterator) -> tf.Tensor:
        whole = parts == 1
        return run(replica_step.whole if whole else replica_step.part, iterator)

    def one_step(iterator: Iterator) -> tf.Tensor:
        if parts == 1:
            metrics = one_pass(iterator)
        else:
            metrics = tf.zeros([len(names)])
            for _ in tf.range(parts):
                metrics += one_pass(iterator)
            metrics /= parts
            strategy.run(replica_step.end)
        replica_step.method.after_step(replica_step.optimizer.iterations.value)
        return metrics

    def goes_on(metrics: tf.Tensor) -> tf.Tensor:
        finite = tf.math.is_finite(metrics[names.index(_LOSS)])
        return finite & (metrics[names.index(_STOP)] == 0)

    @tf.function
    def train_loop(iterator: Iterator, num_steps: tf.Tensor):
        last = total = tf.zeros([len(names)])
        done = 0
        # Every step is in the loop: what a compiler makes of one outside of
        # it would differ in the last bits.
        while done < num_steps and (done == 0 or goes_on(last)):
            last = one_step(iterator)
            total, done = total + last, done + 1
        return total / tf.cast(done, tf.float32), last

    def call(iterator: Iterator, num_steps: int) -> LoopResult:
        if not names:
            one_pass.get_concrete_function(iterator)
        means, last = (
            dict(zip(names, values.numpy().tolist(), strict=True))
            for values in train_loop(iterator, tf.constant(num_steps))
        )
        means.pop(_STOP)
        return LoopResult(means, last, last.pop(_STOP) > 0)

    return call

"""Dynamic loss scaling, without which small float16 gradients become zero."""

import tensorflow as tf

from noisy_student.training.variables import per_replica

_FIRST = 2.0**15
_LEAST = 1.0
_STEPS_TO_DOUBLE = 2000


class LossScale:
    """The factor on the loss, which the gradient is divided by again.

    It is halved where a gradient is not finite, whose step is skipped, and
    doubled after 2000 steps without one (arXiv 1710.03740, section 3.2). Build
    it in the strategy's scope, and call it in replica context.

    Attributes:
        factor: float32 (), a power of 2.
        skipped_steps: int64 (), number of steps that were skipped so far.
    """

    def __init__(self) -> None:
        self.factor = per_replica(tf.constant(_FIRST))
        self.skipped_steps = per_replica(tf.constant(0, tf.int64))
        self._good_steps = per_replica(tf.constant(0, tf.int64))

    def state(self) -> dict[str, tf.Variable]:
        """Returns what checkpoints must keep, by name."""
        return {
            "factor": self.factor,
            "skipped_steps": self.skipped_steps,
            "good_steps": self._good_steps,
        }

    def may_shrink(self) -> tf.Tensor:
        """Returns whether a smaller factor is left to be tried, bool ()."""
        return self.factor > _LEAST

    def update(self, is_finite: tf.Tensor) -> None:
        """Takes note of a step.

        Args:
            is_finite: bool (), whether its gradient was; the same on all
                replicas.
        """
        good = tf.where(is_finite, self._good_steps + 1, 0)
        doubles = good == _STEPS_TO_DOUBLE
        smaller = tf.maximum(self.factor / 2, _LEAST)
        larger = tf.where(doubles, self.factor * 2, self.factor)
        self.factor.assign(tf.where(is_finite, larger, smaller))
        self._good_steps.assign(tf.where(doubles, tf.zeros_like(good), good))
        self.skipped_steps.assign_add(tf.cast(~is_finite, tf.int64))

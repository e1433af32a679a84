"""Ramps of the consistency methods (arXiv 1610.02242, section 2 and app. A).

Pure functions of a step's number; the learning rate follows them too.
"""

import dataclasses

import tensorflow as tf

from noisy_student.config import TrainConfig


@dataclasses.dataclass(frozen=True)
class Ramps:
    """Where a schedule rises and where it falls; it may do both at once.

    Attributes:
        total_steps: of the schedule.
        up_steps: its first ones, of the ramp-up; 0 is none.
        down_steps: its last ones, of the ramp-down; 0 is none.
        first_step: step of the schedule that a run begins with.
    """

    total_steps: int
    up_steps: int
    down_steps: int
    first_step: int = 0

    @classmethod
    def of(cls, train: TrainConfig, num_labeled: int) -> "Ramps":
        """Those of a run on so many labelled images.

        Raises:
            ValueError: a ramp is longer than the training.
        """
        total = train.schedule_steps(num_labeled)
        first = total - train.total_steps(num_labeled)
        return cls(total, *train.ramp_steps(num_labeled), first)

    def up(self, step: tf.Tensor) -> tf.Tensor:
        """exp(-5 (1 - T)^2), T from 0 to 1 over the ramp-up, then 1.

        Args:
            step: number of finished steps of the run.

        Returns:
            float32 scalar, from 0.0067 to 1.
        """
        t = self._at(step) / max(self.up_steps, 1)
        if not self.up_steps:
            t = tf.ones([])
        return tf.exp(-5 * tf.square(1 - tf.minimum(t, 1.0)))

    def down(self, step: tf.Tensor) -> tf.Tensor:
        """exp(-12.5 T^2), T from 0 to 1 over the ramp-down, 1 before.

        Args:
            step: number of finished steps of the run.

        Returns:
            float32 scalar, from 1 to 3.7e-6.
        """
        begin = self.total_steps - self.down_steps
        t = (self._at(step) - begin) / max(self.down_steps, 1)
        return tf.exp(-12.5 * tf.square(tf.clip_by_value(t, 0.0, 1.0)))

    def ramp_up_is_over(self, step: tf.Tensor) -> tf.Tensor:
        """Bool scalar; `step` counts the run's finished steps."""
        return self._at(step) >= self.up_steps

    def weight(self, step: tf.Tensor) -> tf.Tensor:
        """`up`, but 0 before the first step: the ramp of w(t)."""
        return tf.where(self._at(step) > 0, self.up(step), 0.0)

    def _at(self, step: tf.Tensor) -> tf.Tensor:
        return tf.cast(step, tf.float32) + self.first_step

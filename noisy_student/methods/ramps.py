"""Ramps of the consistency methods (arXiv 1610.02242, section 2 and app. A).

Pure functions of the step; the learning rate may follow them too.
"""

import dataclasses

import tensorflow as tf

from noisy_student.config import TrainConfig


@dataclasses.dataclass(frozen=True)
class Ramps:
    """Where a schedule rises and where it falls; the two may overlap.

    Attributes:
        total_steps: length of the schedule, in steps.
        up_steps: length of the ramp-up at its start; 0 is none.
        down_steps: length of the ramp-down at its end; 0 is none.
        first_step: the step of the schedule at which the run begins.
    """

    total_steps: int
    up_steps: int
    down_steps: int
    first_step: int = 0

    @classmethod
    def from_config(cls, train: TrainConfig, num_labeled: int) -> "Ramps":
        """Returns the ramps of a run.

        Args:
            train: settings of the optimisation.
            num_labeled: number of labelled images, which make an epoch.

        Raises:
            ValueError: a ramp is longer than the training.
        """
        total = train.schedule_steps(num_labeled)
        first = total - train.total_steps(num_labeled)
        return cls(total, *train.ramp_steps(num_labeled), first)

    def up(self, step: tf.Tensor) -> tf.Tensor:
        """Returns exp(-5 (1 - T)^2), T from 0 to 1 over the ramp-up, then 1.

        Args:
            step: number of finished steps of the run, any integer dtype.

        Returns:
            float32 (), from 0.0067 to 1.
        """
        t = self._schedule_step(step) / max(self.up_steps, 1)
        if not self.up_steps:
            t = tf.ones([])
        return tf.exp(-5 * tf.square(1 - tf.minimum(t, 1.0)))

    def down(self, step: tf.Tensor) -> tf.Tensor:
        """Returns exp(-12.5 T^2), T from 0 to 1 over the ramp-down, 1 before.

        Args:
            step: number of finished steps of the run, any integer dtype.

        Returns:
            float32 (), from 1 to 3.7e-6.
        """
        begin = self.total_steps - self.down_steps
        t = (self._schedule_step(step) - begin) / max(self.down_steps, 1)
        return tf.exp(-12.5 * tf.square(tf.clip_by_value(t, 0.0, 1.0)))

    def ramp_up_is_over(self, step: tf.Tensor) -> tf.Tensor:
        """Returns whether the ramp-up has ended, bool ()."""
        return self._schedule_step(step) >= self.up_steps

    def weight(self, step: tf.Tensor) -> tf.Tensor:
        """Returns `up`, but 0 at the first step: the ramp of w(t)."""
        return tf.where(self._schedule_step(step) > 0, self.up(step), 0.0)

    def _schedule_step(self, step: tf.Tensor) -> tf.Tensor:
        return tf.cast(step, tf.float32) + self.first_step

"""The learning rate: a staircase after a warm-up, or Gaussian ramps.

The staircase is the original's schedule (Noisy Student, appendix A.2); the
ramps are those of the consistency methods (arXiv 1610.02242, appendix A).
"""

import dataclasses
import math

import keras
import tensorflow as tf

from noisy_student.config import TrainConfig
from noisy_student.methods import ramps

_DECAY_FACTOR = 0.97
_DECAY_EPOCHS = 2.4
_REFERENCE_BATCH_SIZE = 256


@dataclasses.dataclass(frozen=True)
class WarmupStaircase(keras.optimizers.schedules.LearningRateSchedule):
    """peak * step / warmup_steps, then peak * 0.97^floor(step / decay_steps).

    The staircase is counted from step 0, not from the end of the warm-up.

    Attributes:
        peak: learning rate after the warm-up, before any decay.
        warmup_steps: length of the warm-up in steps; 0 is none.
        decay_steps: steps between two decays, above 0; may be a fraction.
        first_step: the step of the schedule at which the run begins.
    """

    peak: float
    warmup_steps: int
    decay_steps: float
    first_step: int = 0

    def __call__(self, step) -> tf.Tensor:
        step = tf.cast(step, tf.float32) + self.first_step
        stairs = tf.floor(step / self.decay_steps)
        decayed = self.peak * _DECAY_FACTOR**stairs
        warmup = self.peak * step / max(self.warmup_steps, 1)
        return tf.where(step < self.warmup_steps, warmup, decayed)


@dataclasses.dataclass(frozen=True)
class Ramped(keras.optimizers.schedules.LearningRateSchedule):
    """peak * ramp-up * ramp-down; see `ramps.Ramps`.

    Attributes:
        peak: learning rate between the ramps.
        ramp: the ramps.
    """

    peak: float
    ramp: ramps.Ramps

    @property
    def first_step(self) -> int:
        """The step of the schedule at which the run begins."""
        return self.ramp.first_step

    def __call__(self, step) -> tf.Tensor:
        return self.peak * self.ramp.up(step) * self.ramp.down(step)


def learning_rate(
    train: TrainConfig, num_labeled: int
) -> WarmupStaircase | Ramped:
    """Returns the learning rate schedule of a run.

    Args:
        train: settings of the optimisation.
        num_labeled: number of labelled images, which make an epoch.

    Raises:
        ValueError: ramps or warm-up are longer than the schedule, or the
            schedule is shorter than `train_last_step_num`.
    """
    if train.learning_rate_schedule == "ramps":
        ramp = ramps.Ramps.from_config(train, num_labeled)
        return Ramped(train.max_learning_rate, ramp)
    return _staircase(train, num_labeled)


def peak_setting(train: TrainConfig) -> str:
    """Returns the name of the setting that scales the learning rate."""
    if train.learning_rate_schedule == "ramps":
        return "max_learning_rate"
    return "base_learning_rate"


def _staircase(train: TrainConfig, num_labeled: int) -> WarmupStaircase:
    """Returns the original's schedule.

    The peak is `base_learning_rate` * labelled images per step / 256. The
    rate decays every 2.4 * `train_ratio` epochs of the labelled images or,
    with `final_base_lr`, as often as it takes to end there. With
    `train_last_step_num`, the run has the end of the schedule.
    """
    steps = train.schedule_steps(num_labeled)
    steps_per_epoch = num_labeled / train.labels_per_step
    decay_epochs = _DECAY_EPOCHS * train.train_ratio
    if train.final_base_lr is not None:
        epochs = steps / steps_per_epoch - train.warmup_epochs
        if epochs <= 0:
            raise ValueError(
                f"warmup_epochs={train.warmup_epochs} are "
                f"{train.warmup_epochs * steps_per_epoch:.0f} steps, and the "
                f"schedule has {steps}; raise train_steps or lower "
                "warmup_epochs."
            )
        ratio = train.final_base_lr / train.base_learning_rate
        decay_epochs = epochs / (math.log(ratio) / math.log(_DECAY_FACTOR))
    return WarmupStaircase(
        peak=train.base_learning_rate
        * train.labels_per_step
        / _REFERENCE_BATCH_SIZE,
        warmup_steps=int(train.warmup_epochs * steps_per_epoch),
        decay_steps=decay_epochs * steps_per_epoch,
        first_step=steps - train.total_steps(num_labeled),
    )

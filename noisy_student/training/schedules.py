"""The learning rate: a staircase after a warm-up, or Gaussian ramps.

The first is the original's schedule (Noisy Student, appendix A.2), the second
that of the consistency methods (arXiv 1610.02242, appendix A).
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


class WarmupStaircase(keras.optimizers.schedules.LearningRateSchedule):
    """peak * step / warmup_steps, then peak * 0.97^floor(step / decay_steps).

    The staircase is counted from step 0, not from the end of the warm-up.

    Args:
        peak: learning rate after the warm-up, before any decay.
        warmup_steps: steps of the warm-up; 0 is none.
        decay_steps: steps between two decays, above 0, fractions allowed.
        first_step: step of the schedule that a run begins with.
    """

    def __init__(
        self,
        peak: float,
        warmup_steps: int,
        decay_steps: float,
        first_step: int = 0,
    ) -> None:
        self.peak = peak
        self.warmup_steps = warmup_steps
        self.decay_steps = decay_steps
        self.first_step = first_step

    def __call__(self, step) -> tf.Tensor:
        step = tf.cast(step, tf.float32) + self.first_step
        stairs = tf.floor(step / self.decay_steps)
        decayed = self.peak * _DECAY_FACTOR**stairs
        warmup = self.peak * step / max(self.warmup_steps, 1)
        return tf.where(step < self.warmup_steps, warmup, decayed)

    def get_config(self) -> dict:
        return {
            "peak": self.peak,
            "warmup_steps": self.warmup_steps,
            "decay_steps": self.decay_steps,
            "first_step": self.first_step,
        }


class Ramped(keras.optimizers.schedules.LearningRateSchedule):
    """peak * ramp-up * ramp-down; see `ramps.Ramps`.

    Args:
        peak: learning rate between the ramps.
        ramp: where they are.
    """

    def __init__(self, peak: float, ramp: ramps.Ramps) -> None:
        self.peak = peak
        self.ramp = ramp
        self.first_step = ramp.first_step

    def __call__(self, step) -> tf.Tensor:
        return self.peak * self.ramp.up(step) * self.ramp.down(step)

    def get_config(self) -> dict:
        return {"peak": self.peak, "ramp": dataclasses.asdict(self.ramp)}


def learning_rate(
    config: TrainConfig, num_labeled: int
) -> WarmupStaircase | Ramped:
    """The schedule of a run.

    Args:
        config: the training settings.
        num_labeled: labelled images, which make an epoch.

    Raises:
        ValueError: ramps or warm-up longer than the schedule, or that shorter
            than `train_last_step_num`.
    """
    if config.learning_rate_schedule == "ramps":
        ramp = ramps.Ramps.of(config, num_labeled)
        return Ramped(config.max_learning_rate, ramp)
    return _staircase(config, num_labeled)


def _staircase(config: TrainConfig, num_labeled: int) -> WarmupStaircase:
    """The original's schedule.

    The peak is `base_learning_rate` * labels a step / 256. It decays each 2.4
    * `train_ratio` epochs of the labelled images, or, with `final_base_lr`,
    as often as it takes to end there. With `train_last_step_num` the run has
    the schedule's end.

    Raises:
        ValueError: `final_base_lr` with less than `warmup_epochs` to train,
            or a schedule shorter than `train_last_step_num`.
    """
    steps = config.schedule_steps(num_labeled)
    steps_per_epoch = num_labeled / config.labels_per_step
    decay_epochs = _DECAY_EPOCHS * config.train_ratio
    if config.final_base_lr is not None:
        epochs = steps / steps_per_epoch - config.warmup_epochs
        if epochs <= 0:
            raise ValueError(
                f"warmup_epochs={config.warmup_epochs} are "
                f"{config.warmup_epochs * steps_per_epoch:.0f} steps, and the "
                f"schedule has {steps}; raise train_steps or lower "
                "warmup_epochs."
            )
        ratio = config.final_base_lr / config.base_learning_rate
        decay_epochs = epochs / (math.log(ratio) / math.log(_DECAY_FACTOR))
    return WarmupStaircase(
        peak=config.base_learning_rate
        * config.labels_per_step
        / _REFERENCE_BATCH_SIZE,
        warmup_steps=int(config.warmup_epochs * steps_per_epoch),
        decay_steps=decay_epochs * steps_per_epoch,
        first_step=steps - config.total_steps(num_labeled),
    )

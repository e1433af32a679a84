"""The learning rate: a staircase or a cosine after a warm-up, or ramps.

The staircase is the original's schedule (Noisy Student, appendix A.2), the
cosine that of SGDR without restarts (arXiv 1608.03983, equation 5); the ramps
are those of the consistency methods (arXiv 1610.02242, appendix A).
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
class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    """A linear warm-up from 0 to the peak, then half a cosine down to the end.

    Attributes:
        peak: learning rate after the warm-up.
        end: learning rate after the last step.
        warmup_steps: length of the warm-up in steps, below `total_steps`.
        total_steps: length of the schedule in steps.
        first_step: the step of the schedule at which the run begins.
    """

    peak: float
    end: float
    warmup_steps: int
    total_steps: int
    first_step: int = 0

    def __call__(self, step) -> tf.Tensor:
        step = tf.cast(step, tf.float32) + self.first_step
        share = (step - self.warmup_steps) / (
            self.total_steps - self.warmup_steps
        )
        falling = (1 + tf.cos(math.pi * tf.minimum(share, 1.0))) / 2
        warmup = self.peak * step / max(self.warmup_steps, 1)
        down = self.end + (self.peak - self.end) * falling
        return tf.where(step < self.warmup_steps, warmup, down)


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
) -> WarmupStaircase | WarmupCosine | Ramped:
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
    if train.learning_rate_schedule == "cosine":
        return _cosine(train, num_labeled)
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
    warmup_steps = _warmup_steps(train, num_labeled)
    decay_steps = _DECAY_EPOCHS * train.train_ratio * steps_per_epoch
    if train.final_base_lr is not None:
        _check_warmup(train, warmup_steps, steps)
        ratio = train.final_base_lr / train.base_learning_rate
        falling = steps - train.warmup_epochs * steps_per_epoch
        decay_steps = falling / (math.log(ratio) / math.log(_DECAY_FACTOR))
    return WarmupStaircase(
        peak=_at_batch(train, train.base_learning_rate),
        warmup_steps=warmup_steps,
        decay_steps=decay_steps,
        first_step=steps - train.total_steps(num_labeled),
    )


def _cosine(train: TrainConfig, num_labeled: int) -> WarmupCosine:
    """Returns a cosine from `base_learning_rate` to `final_base_lr` or 0."""
    steps = train.schedule_steps(num_labeled)
    warmup_steps = _warmup_steps(train, num_labeled)
    _check_warmup(train, warmup_steps, steps)
    return WarmupCosine(
        peak=_at_batch(train, train.base_learning_rate),
        end=_at_batch(train, train.final_base_lr or 0.0),
        warmup_steps=warmup_steps,
        total_steps=steps,
        first_step=steps - train.total_steps(num_labeled),
    )


def _at_batch(train: TrainConfig, rate: float) -> float:
    return rate * train.labels_per_step / _REFERENCE_BATCH_SIZE


def _warmup_steps(train: TrainConfig, num_labeled: int) -> int:
    return int(train.warmup_epochs * num_labeled / train.labels_per_step)


def _check_warmup(train: TrainConfig, warmup_steps: int, steps: int) -> None:
    if warmup_steps >= steps:
        raise ValueError(
            f"warmup_epochs={train.warmup_epochs} are {warmup_steps} steps, "
            f"and the schedule has {steps}; raise train_steps or lower "
            "warmup_epochs."
        )

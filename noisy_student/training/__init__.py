"""Optimisation of one model: schedule, step, loop, averages, checkpoints."""

from noisy_student.training.evaluations import kept_validation
from noisy_student.training.state import (
    TrainingRun,
    has_checkpoints,
    restore_average,
)
from noisy_student.training.trainer import (
    is_finished,
    seconds_per_step,
    train,
)

__all__ = [
    "TrainingRun",
    "has_checkpoints",
    "is_finished",
    "kept_validation",
    "restore_average",
    "seconds_per_step",
    "train",
]

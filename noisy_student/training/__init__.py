"""Optimisation of one model: schedule, step, loop, averages, checkpoints."""

from noisy_student.training.state import TrainingRun
from noisy_student.training.trainer import is_finished, train

__all__ = ["TrainingRun", "is_finished", "train"]

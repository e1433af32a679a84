"""Evaluators: from a model and images to numbers with names."""

from noisy_student.evaluation.accuracy import Accuracy
from noisy_student.evaluation.base import Batches, Evaluator, Metrics

__all__ = ["Accuracy", "Batches", "Evaluator", "Metrics"]

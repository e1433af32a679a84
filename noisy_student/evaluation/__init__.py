"""One evaluator for every model."""

from noisy_student.evaluation.accuracy import Accuracy, Batches, evaluate

__all__ = ["Accuracy", "Batches", "evaluate"]

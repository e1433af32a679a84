"""One evaluator for every model."""

from noisy_student.evaluation.accuracy import Accuracy, evaluate

__all__ = ["Accuracy", "evaluate"]

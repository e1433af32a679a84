"""Evaluators: from a model and images to numbers with names."""

from noisy_student.data.passes import Batches
from noisy_student.evaluation.accuracy import Accuracy
from noisy_student.evaluation.answers import AnswersEvaluator
from noisy_student.evaluation.base import Evaluator, Metrics
from noisy_student.evaluation.scores import Answers

__all__ = [
    "Accuracy",
    "Answers",
    "AnswersEvaluator",
    "Batches",
    "Evaluator",
    "Metrics",
]

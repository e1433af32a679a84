"""The teacher's labels on disk: predict, count, select, write."""

from noisy_student.pseudo_labels.filter import (
    PseudoLabelStats,
    check,
    check_images,
    filter_and_balance,
    record_paths,
)
from noisy_student.pseudo_labels.predict import PredictionFiles, predict

__all__ = [
    "PredictionFiles",
    "PseudoLabelStats",
    "check",
    "check_images",
    "filter_and_balance",
    "predict",
    "record_paths",
]

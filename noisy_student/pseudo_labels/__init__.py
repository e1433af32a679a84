"""The teacher's labels on disk: predict, count, select, write."""

from noisy_student.pseudo_labels.filter import filter_and_balance
from noisy_student.pseudo_labels.predict import predict
from noisy_student.pseudo_labels.predictions import (
    Division,
    Part,
    PredictionFiles,
)
from noisy_student.pseudo_labels.stats import (
    REASSIGNED_FROM,
    STATS_FILE,
    PseudoLabelStats,
    check_images,
    check_number,
    record_paths,
)

__all__ = [
    "REASSIGNED_FROM",
    "STATS_FILE",
    "Division",
    "Part",
    "PredictionFiles",
    "PseudoLabelStats",
    "check_images",
    "check_number",
    "filter_and_balance",
    "predict",
    "record_paths",
]

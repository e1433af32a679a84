"""The teacher's labels on disk: predict, count, choose, write."""

from noisy_student.pseudo_labels.filter import FilterJob, filter_and_balance
from noisy_student.pseudo_labels.predictions import (
    PredictionFiles,
    Share,
    predict,
)
from noisy_student.pseudo_labels.stats import (
    PseudoLabelStats,
    check_output,
    check_records,
    reassigned_from,
    record_paths,
)

__all__ = [
    "FilterJob",
    "PredictionFiles",
    "PseudoLabelStats",
    "Share",
    "check_output",
    "check_records",
    "filter_and_balance",
    "predict",
    "reassigned_from",
    "record_paths",
]

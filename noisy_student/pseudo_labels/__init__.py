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
    is_complete,
    reassigned_from,
    record_paths,
    remove_records,
)

__all__ = [
    "FilterJob",
    "PredictionFiles",
    "PseudoLabelStats",
    "Share",
    "check_output",
    "check_records",
    "filter_and_balance",
    "is_complete",
    "predict",
    "reassigned_from",
    "record_paths",
    "remove_records",
]

"""The teacher's labels on disk: predict, count, choose, write."""

from noisy_student.pseudo_labels.filter import FilterJob, filter_and_balance
from noisy_student.pseudo_labels.layout import (
    STATS_FILE,
    Division,
    PredictionFiles,
    Share,
)
from noisy_student.pseudo_labels.predict import predict
from noisy_student.pseudo_labels.stats import (
    REASSIGNED_FROM,
    PseudoLabelStats,
    check_images,
    check_number,
    check_output,
    record_paths,
)

__all__ = [
    "REASSIGNED_FROM",
    "STATS_FILE",
    "Division",
    "FilterJob",
    "PredictionFiles",
    "PseudoLabelStats",
    "Share",
    "check_images",
    "check_number",
    "check_output",
    "filter_and_balance",
    "predict",
    "record_paths",
]

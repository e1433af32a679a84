"""The teacher's labels on disk: predict, count, choose, write."""

from noisy_student.pseudo_labels import sizes
from noisy_student.pseudo_labels.filter import FilterJob, filter_and_balance
from noisy_student.pseudo_labels.filtered import (
    all_filtered,
    filtered_shards,
    reassigned_from,
    with_filtered,
)
from noisy_student.pseudo_labels.layout import LabelFiles
from noisy_student.pseudo_labels.predicting import (
    NoisedPredictor,
    Predictor,
    predict,
)
from noisy_student.pseudo_labels.predictions import PredictionFiles, Share
from noisy_student.pseudo_labels.stats import PseudoLabelStats, check_output
from noisy_student.pseudo_labels.stored import (
    check_records,
    open_records,
    record_paths,
)

__all__ = [
    "FilterJob",
    "LabelFiles",
    "NoisedPredictor",
    "PredictionFiles",
    "Predictor",
    "PseudoLabelStats",
    "Share",
    "all_filtered",
    "check_output",
    "check_records",
    "filter_and_balance",
    "filtered_shards",
    "open_records",
    "predict",
    "reassigned_from",
    "record_paths",
    "sizes",
    "with_filtered",
]

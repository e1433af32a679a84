"""What a run and an evaluation came to: files, and tables to read."""

from noisy_student.report.evaluation import (
    EVALUATION_FILE,
    format_generations,
    save_evaluation,
)
from noisy_student.report.results import (
    RESULTS_FILE,
    format_table,
    is_finished,
    load_results,
    metrics_of,
    save_results,
)

__all__ = [
    "EVALUATION_FILE",
    "RESULTS_FILE",
    "format_generations",
    "format_table",
    "is_finished",
    "load_results",
    "metrics_of",
    "save_evaluation",
    "save_results",
]

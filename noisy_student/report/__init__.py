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
from noisy_student.report.robustness import (
    ROBUSTNESS_FILE,
    SuiteResults,
    format_robustness,
    save_robustness,
)

__all__ = [
    "EVALUATION_FILE",
    "RESULTS_FILE",
    "ROBUSTNESS_FILE",
    "SuiteResults",
    "format_generations",
    "format_robustness",
    "format_table",
    "is_finished",
    "load_results",
    "metrics_of",
    "save_evaluation",
    "save_results",
    "save_robustness",
]

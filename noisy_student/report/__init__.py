"""What a run came to: `results.json`, and the table of it.

Evaluations, robustness and the audit have modules of their own, which import
TensorFlow.
"""

from noisy_student.report.results import (
    RESULTS_FILE,
    format_table,
    is_finished,
    load_results,
    metrics_of,
    save_results,
)

__all__ = [
    "RESULTS_FILE",
    "format_table",
    "is_finished",
    "load_results",
    "metrics_of",
    "save_results",
]

"""The results of self-training: `results.json`, and a table."""

import json
from typing import Any

from noisy_student.config import ExperimentConfig
from noisy_student.files import writing

RESULTS_FILE = "results.json"


def load_results(config: ExperimentConfig) -> dict[str, Any]:
    """Reads the results of the finished generations.

    Returns:
        A dict with `task`, `method`, `seed` and `generations`. The latter is a
        list of dicts with `generation`, `role`, `model_name`,
        `top_1_accuracy`, `top_5_accuracy`, `num_images`, `pseudo_labels`
        (`kept`, `records`, `accuracy`) and `seconds`; accuracies are in
        [0, 1].
    """
    path = config.directory / RESULTS_FILE
    if path.exists():
        return json.loads(path.read_text())
    return {
        "task": config.data.task_name,
        "method": config.train.method,
        "seed": config.seed,
        "generations": [],
    }


def is_finished(config: ExperimentConfig) -> bool:
    """Whether all generations have results."""
    done = len(load_results(config)["generations"])
    return done > config.self_training.num_iterations


def save_results(config: ExperimentConfig, results: dict[str, Any]) -> None:
    """Writes `results.json`."""
    path = config.directory / RESULTS_FILE
    writing.write_json(path, results)


def format_table(results: dict[str, Any]) -> str:
    """One line per generation, in columns."""
    header = (
        "generation",
        "role",
        "model",
        "images",
        "kept",
        "records",
        "label accuracy",
        "top-1",
        "top-5",
        "seconds",
    )
    rows = [header]
    for row in results["generations"]:
        labels = row["pseudo_labels"]
        rows.append(
            (
                str(row["generation"]),
                row["role"],
                row["model_name"],
                str(row["num_images"]),
                str(labels["kept"]),
                str(labels["records"]),
                _percent(labels["accuracy"]),
                _percent(row["top_1_accuracy"]),
                _percent(row["top_5_accuracy"]),
                f"{row['seconds']:.0f}",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) for cell, width in zip(row, widths, strict=True)
        )
        for row in rows
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f} %"

"""The results of self-training: `results.json`, and a table."""

from typing import Any

from etils import epath

from noisy_student.config import ExperimentConfig
from noisy_student.errors import InputError
from noisy_student.files import writing
from noisy_student.report import tables

RESULTS_FILE = "results.json"
# Keys of a generation, or of a line of `metrics.jsonl`, that no evaluation
# measured.
_OTHERS = (
    "generation",
    "role",
    "model_name",
    "num_images",
    "pseudo_labels",
    "seconds",
    "step",
    "teacher",
    "input_image_size",
    "before_fine_tuning",
    "validation",
    "split",
    "best_step",
)


def load_results(config: ExperimentConfig) -> dict[str, Any]:
    """Reads the results of the finished generations.

    Returns:
        A dict with `task`, `method`, `seed` and `generations`. The latter is a
        list of dicts with `generation`, `role`, `model_name`,
        `top_1_accuracy`, `top_5_accuracy`, `num_images`, `pseudo_labels`
        (`kept`, `records`, `accuracy`), `seconds`, `teacher` (the generation
        that labelled; None for the first), `input_image_size` (pixels),
        `before_fine_tuning` (its metrics; None without one) and `validation`
        (metrics on these images; None without any). Accuracies are in [0, 1].
        `chosen_generation` is the one whose model is the run's; and if the run
        ended before its last student, `stopped_after` is how many newest ones
        were no better than one before, else None.

    Raises:
        InputError: the file is damaged.
    """
    path = config.directory / RESULTS_FILE
    if path.exists():
        return _read(path)
    return {
        "task": config.data.task_name,
        "method": config.train.method,
        "seed": config.seed,
        "generations": [],
    }


def _read(path: epath.Path) -> dict[str, Any]:
    try:
        results = writing.read_json(path)
        if isinstance(results["generations"], list):
            return results
        reason = "generations is no list"
    except (ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
    raise InputError(
        f"{path} is damaged ({reason}). Remove it and run the same command of "
        "mode=self_train again, which makes it from what is there."
    )


def is_finished(config: ExperimentConfig) -> bool:
    """Whether all generations have results, or the run ended before."""
    results, loop = load_results(config), config.self_training
    if len(results["generations"]) > loop.num_iterations:
        return True
    stopped = results.get("stopped_after")
    patience = loop.early_stopping_students
    return stopped is not None and patience in (None, stopped)


def save_results(config: ExperimentConfig, results: dict[str, Any]) -> None:
    """Writes `results.json`."""
    path = config.directory / RESULTS_FILE
    writing.write_json(path, results)


def format_table(results: dict[str, Any]) -> str:
    """One line per generation, in columns; every evaluation has its own."""
    generations = results["generations"]
    names = dict.fromkeys(n for row in generations for n in metrics_of(row))
    validated = [row.get("validation") for row in generations]
    header = ["generation", "role", "model", "images", "kept", "records"]
    header += ["label accuracy"]
    header += ["validation"] if any(validated) else []
    header += [*map(_title, names), "seconds"]
    rows = [header]
    for row, validation in zip(generations, validated, strict=True):
        labels = row["pseudo_labels"]
        cells = [str(row[n]) for n in ("generation", "role", "model_name")]
        cells += [str(row["num_images"])]
        cells += [str(labels["kept"]), str(labels["records"])]
        cells += [tables.percent(labels["accuracy"])]
        if any(validated):
            accuracy = validation and validation["top_1_accuracy"]
            cells += [tables.percent(accuracy)]
        cells += [_cell(name, row.get(name)) for name in names]
        rows.append([*cells, f"{row['seconds']:.0f}"])
    return tables.aligned(rows)


def metrics_of(row: dict[str, Any]) -> dict[str, float]:
    """What evaluations measured, of a generation or of `metrics.jsonl`."""
    return {name: row[name] for name in row if name not in _OTHERS}


def _title(name: str) -> str:
    """`top-1` for `top_1_accuracy`."""
    return name.removesuffix("_accuracy").replace("_", "-")


def _cell(name: str, value: float | None) -> str:
    if name.endswith("_accuracy") or value is None:
        return tables.percent(value)
    return f"{value:.4g}"

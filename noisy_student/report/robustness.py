"""What --mode=robustness leaves: `robustness.json`, a table, plots."""

from collections.abc import Mapping
from typing import Any

from etils import epath

from noisy_student.files import writing
from noisy_student.report import plots, tables

ROBUSTNESS_FILE = "robustness.json"
# From the name of a model and of a suite to what the suite measured.
SuiteResults = dict[str, dict[str, dict[str, Any]]]
# From the name of a model and of a suite to scores by name.
Scores = Mapping[str, Mapping[str, Mapping[str, float]]]
# Beginnings of the names of scores in % of a baseline's.
_IN_PERCENT = (
    "corruption_error",
    "mean_corruption_error",
    "flip_rate",
    "mean_flip_rate",
)


def save_robustness(
    directory: epath.Path,
    results: SuiteResults,
    summaries: Mapping[str, Mapping[str, Any]],
) -> None:
    """Writes `robustness.json` and the plots.

    Args:
        directory: Gets the files.
        results: What was measured of each model.
        summaries: For each model, by suite: `scores`; `units`, whose errors
            are 100 %; `made_from`, what was measured; `versions` of libraries.
    """
    writing.write_json(directory / ROBUSTNESS_FILE, summaries)
    _draw(directory, results)


def format_robustness(scores: Scores) -> str:
    """The table of `score_rows` as text."""
    return tables.aligned(score_rows(scores))


def score_rows(scores: Scores) -> list[tuple[str, ...]]:
    """A table with a line for each score and a column for each model."""
    models = list(scores)
    names = dict.fromkeys(
        (suite, name)
        for by_suite in scores.values()
        for suite, found in by_suite.items()
        for name in found
    )
    rows: list[tuple[str, ...]] = [("suite", "score", *models)]
    for suite, name in names:
        values = (scores[model].get(suite, {}).get(name) for model in models)
        rows.append((suite, name, *(_cell(name, each) for each in values)))
    return rows


def in_percent(name: str, score: float) -> float:
    """A score in %, of which some are shares, and others in % already."""
    return score if name.startswith(_IN_PERCENT) else 100 * score


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    unit = "" if name.startswith(_IN_PERCENT) else " %"
    return f"{in_percent(name, value):.2f}{unit}"


def _draw(directory: epath.Path, results: SuiteResults) -> None:
    corruptions = {
        model: found["corruptions"]
        for model, found in results.items()
        if "corruptions" in found
    }
    if corruptions:
        first = next(iter(corruptions.values()))
        plots.error_by_severity(
            {model: found["errors"] for model, found in corruptions.items()},
            directory / "error_by_severity.png",
            first["severities"],
        )
    attacked = {
        model: {
            attack: dict(
                zip(found["adversarial"]["epsilons"], values, strict=True)
            )
            for attack, values in found["adversarial"]["accuracies"].items()
        }
        for model, found in results.items()
        if "adversarial" in found
    }
    if attacked:
        plots.accuracy_by_epsilon(
            attacked, directory / "accuracy_by_epsilon.png"
        )

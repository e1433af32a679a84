"""The chart of a study, as SVG in the colours of the report's."""

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from etils import epath

from noisy_student.files import writing
from noisy_student.report import svg
from tools.studies import figures
from tools.studies.figures import Outcomes
from tools.studies.results import Results

if TYPE_CHECKING:
    from matplotlib import axes, figure

_WIDTH, _ROW, _FRAME = 6.0, 0.42, 1.1  # inches
_BELOW = 0.22  # of a row: from an arm's mean down to the dots of its seeds


def draw(outcomes: Mapping[str, Outcomes], base: str) -> "figure.Figure":
    """A row for each arm: the mean of its runs' models, and a dot a seed.

    Args:
        outcomes: of each arm, by seed; those without runs have no row.
        base: the arm whose mean is drawn across.
    """
    rows = {arm: _top_1(runs) for arm, runs in outcomes.items() if runs}
    picture, plot = svg.start((_WIDTH, _FRAME + _ROW * len(rows)))
    for place, values in enumerate(rows.values()):
        _draw_row(plot, place, values)
    if base in rows:
        across: dict[str, Any] = {"color": svg.INK, "linestyle": ":"}
        plot.axvline(rows[base].mean(), linewidth=1, zorder=0, **across)
    plot.grid(visible=False, axis="y")
    plot.set_yticks(range(len(rows)), [*rows])
    plot.set_ylim(len(rows) - 0.5, -0.5)
    plot.set_xlabel("top-1 on the test images, %")
    return picture


def write(results: Results, path: epath.Path) -> None:
    """Draws and writes the chart of a study with at least one run.

    Args:
        results: the study's.
        path: of the SVG file.

    Raises:
        InputError: it cannot be written, such as to a full disk.
    """
    outcomes = results.outcomes()
    means = ", ".join(
        f"{arm} {_top_1(runs).mean():.2f} %"
        for arm, runs in outcomes.items()
        if runs
    )
    label = (
        "Top-1 accuracy of each arm, mean with 95 % interval and a dot for "
        f"each seed: {means}"
    )
    picture = draw(outcomes, results.base_name)
    text = svg.standalone(picture, html.escape(label))
    writing.write_text(path, f"{text}\n")


def _top_1(runs: Outcomes) -> np.ndarray:
    return np.array([run.top_1 for run in runs.values()])


def _draw_row(plot: "axes.Axes", place: int, values: np.ndarray) -> None:
    mean, low, high = figures.estimate(values)
    bounds = None
    if low is not None and high is not None:
        bounds = [[mean - low], [high - mean]]
    style: dict[str, Any] = {"color": svg.SERIES[0], "capsize": 4, "fmt": "o"}
    plot.errorbar(mean, place, xerr=bounds, **style)
    plot.annotate(
        f"{mean:.2f}",
        (mean, place),
        (0, 5),
        textcoords="offset points",
        ha="center",
        fontsize=9,
        color=svg.INK,
    )
    dots: dict[str, Any] = {"s": 9, "color": svg.SERIES[1]}
    plot.scatter(values, np.full(len(values), place + _BELOW), **dots)

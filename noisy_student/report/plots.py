"""Plots of evaluations as PNG files, of plain dicts as the JSON files have.

matplotlib is imported where something is drawn. The figures are returned, too;
Agg draws them without a display.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from etils import epath

from noisy_student.config.robustness import SEVERITIES
from noisy_student.files import writing

if TYPE_CHECKING:
    from matplotlib import axes, figure

# Told apart by the colour-blind, too (Okabe and Ito).
_COLORS = ("#000000", "#e69f00", "#56b4e9", "#009e73", "#0072b2", "#d55e00")
_MARKERS = "osD^vP*X"
_DOTS_PER_INCH = 150
_PANEL = (2.6, 2.2)  # width and height of a panel in inches
_LEAST_WIDTH = 7  # of a figure, likewise
_NAME_WIDTH = 2.3  # of a model's name in the legend, likewise
_MOST_COLUMNS = 5
_GUIDE: dict[str, Any] = {"color": "#888888", "linestyle": ":"}


def reliability_diagram(
    bins: Mapping[str, Sequence[Mapping[str, float]]], path: epath.Path
) -> "figure.Figure":
    """Draws accuracy against confidence (Guo et al., arXiv 1706.04599).

    A panel below shows which share of the images each bin has.

    Args:
        bins: by the name of a model its bins, as `reliability` in
            `evaluation.json` has them: `low`, `high`, `images`, `accuracy`
            and `confidence`, all but the third in [0, 1]. Bins without images
            are left out of its line.
        path: of the PNG file.

    Returns:
        The figure; a model's line is the one with its name as label.

    Raises:
        ValueError: there is no model, or a value is out of its range.
        InputError: the file cannot be written.
    """
    _check_not_empty(bins, path)
    picture = _figure(5, 6)
    upper, lower = picture.subplots(2, sharex=True, height_ratios=[3, 1])
    upper.plot([0, 100], [0, 100], label="perfectly calibrated", **_GUIDE)
    for number, (model, rows) in enumerate(bins.items()):
        filled = [row for row in rows if row["images"]]
        style = _style(number)
        upper.plot(
            _percent((row["confidence"] for row in filled), model),
            _percent((row["accuracy"] for row in filled), model),
            label=model,
            **style,
        )
        images = np.array([row["images"] for row in rows])
        edges = [rows[0]["low"], *(row["high"] for row in rows)]
        shares = 100 * images / images.sum()
        lower.stairs(shares, _percent(edges, model), color=style["color"])
    upper.set(ylabel="accuracy, %", xlim=(0, 100), ylim=(0, 100))
    lower.set(xlabel="confidence, %", ylabel="images, %")
    return _save(picture, path)


def error_by_severity(
    errors: Mapping[str, Mapping[str, Sequence[float]]],
    path: epath.Path,
    severities: Sequence[int] = SEVERITIES,
) -> "figure.Figure":
    """Draws the error at each severity, a panel for each type of corruption.

    Args:
        errors: by the name of a model and the type the top-1 errors at all
            severities, in [0, 1].
        path: of the PNG file.
        severities: the severities that the errors are of.

    Returns:
        The figure; panels are titled with their types, and a model's line is
        the one with its name as label. Where a model lacks a type, its line
        is missing.

    Raises:
        ValueError: there is nothing to draw, a type has another number of
            errors than severities, or a value is out of its range.
        InputError: the file cannot be written.
    """
    panels: dict[str, dict[str, Mapping[float, float]]] = {}
    for model, by_type in errors.items():
        for name, values in by_type.items():
            if len(values) != len(severities):
                raise ValueError(
                    f"{model} has {len(values)} errors of {name}, and there "
                    f"are {len(severities)} severities."
                )
            series = dict(zip(map(float, severities), values, strict=True))
            panels.setdefault(name, {})[model] = series
    return _draw_panels(panels, [*errors], path, "severity", "top-1 error, %")


def accuracy_by_epsilon(
    accuracies: Mapping[str, Mapping[str, Mapping[float | str, float]]],
    path: epath.Path,
) -> "figure.Figure":
    """Draws accuracy under attack, teacher against students.

    Args:
        accuracies: by the name of a model, the attack and the epsilon the
            top-1 accuracy, in [0, 1]. Epsilons are in units of 1/255 of a
            pixel's range, numbers or, as keys of JSON are, their texts.
        path: of the PNG file.

    Returns:
        The figure; panels are titled with their attacks, and a model's line
        is the one with its name as label.

    Raises:
        ValueError: there is nothing to draw, or a value is out of its range.
        InputError: the file cannot be written.
    """
    panels: dict[str, dict[str, Mapping[float, float]]] = {}
    for model, by_attack in accuracies.items():
        for name, values in by_attack.items():
            series = {
                float(epsilon): value for epsilon, value in values.items()
            }
            panels.setdefault(name, {})[model] = series
    return _draw_panels(
        panels,
        [*accuracies],
        path,
        "epsilon, 1/255 of the range",
        "top-1 accuracy, %",
    )


def _draw_panels(
    panels: Mapping[str, Mapping[str, Mapping[float, float]]],
    models: Sequence[str],
    path: epath.Path,
    x_label: str,
    y_label: str,
) -> "figure.Figure":
    """Draws a line for each model in every panel, all on the same scales."""
    _check_not_empty(panels, path)
    columns = min(len(panels), _MOST_COLUMNS)
    rows = math.ceil(len(panels) / columns)
    width, height = _PANEL
    picture = _figure(max(columns * width, _LEAST_WIDTH), rows * height + 1)
    grid = picture.subplots(
        rows, columns, sharex=True, sharey=True, squeeze=False
    )
    plots = grid.ravel()
    for plot, (name, series) in zip(plots, panels.items(), strict=False):
        _draw_lines(plot, name, series, models)
    plots[0].set(ylim=(0, 100), xticks=_all_places(panels))
    for plot in plots[: len(panels) : columns]:
        plot.set_ylabel(y_label)
    # Those that have no other one below.
    for plot in plots[max(len(panels) - columns, 0) : len(panels)]:
        plot.set_xlabel(x_label)
        plot.tick_params(labelbottom=True)
    for plot in plots[len(panels) :]:
        plot.remove()
    return _save(picture, path)


def _draw_lines(
    plot: "axes.Axes",
    title: str,
    series: Mapping[str, Mapping[float, float]],
    models: Sequence[str],
) -> None:
    """Draws the panel with a line for each model that has one."""
    plot.set_title(title, fontsize="medium")
    plot.grid(alpha=0.3)
    for model, values in series.items():
        places = sorted(values)
        heights = _percent((values[x] for x in places), f"{model}, {title}")
        style = _style(models.index(model))
        plot.plot(places, heights, label=model, **style)


def _all_places(
    panels: Mapping[str, Mapping[str, Mapping[float, float]]],
) -> list[float]:
    """The places on the x axis that any line has, in order."""
    return sorted({x for p in panels.values() for s in p.values() for x in s})


def _figure(width: float, height: float) -> "figure.Figure":
    from matplotlib import figure
    from matplotlib.backends import backend_agg

    picture = figure.Figure(figsize=(width, height), layout="constrained")
    backend_agg.FigureCanvasAgg(picture)
    return picture


def _style(number: int) -> dict[str, Any]:
    """How the lines of a model look; colours and markers repeat apart."""
    return {
        "color": _COLORS[number % len(_COLORS)],
        "marker": _MARKERS[number % len(_MARKERS)],
        "markersize": 4,
        "linewidth": 1.2,
    }


def _percent(shares: Iterable[float], name: str) -> list[float]:
    """Shares in %.

    Raises:
        ValueError: one is not in [0, 1], such as NaN.
    """
    values = list(shares)
    for value in values:
        if not 0 <= value <= 1:
            raise ValueError(f"{name}: {value} is not in [0, 1].")
    return [100 * value for value in values]


def _check_not_empty(values: Mapping, path: epath.Path) -> None:
    if not values:
        raise ValueError(f"There is nothing to draw in {path}.")


def _save(picture: "figure.Figure", path: epath.Path) -> "figure.Figure":
    """Adds a legend of the lines of all panels, and writes the file."""
    lines = {
        label: handle
        for plot in picture.axes
        for handle, label in zip(*plot.get_legend_handles_labels(), strict=True)
    }
    picture.legend(
        [*lines.values()],
        [*lines],
        loc="outside lower center",
        ncols=max(int(picture.get_figwidth() // _NAME_WIDTH), 1),
        frameon=False,
    )
    with writing.replacing(path) as temporary:
        picture.savefig(temporary, format="png", dpi=_DOTS_PER_INCH)
    return picture

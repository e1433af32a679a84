"""The charts of the report, small enough for a telephone.

All return matplotlib figures in the colours of `svg.py`; accuracies and
probabilities are in [0, 1].
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from noisy_student.report import svg, verdict
from noisy_student.report.curves import Curve
from noisy_student.report.labels import Labels
from noisy_student.report.verdict import Score

if TYPE_CHECKING:
    from matplotlib import axes, figure

_SIZE = (3.75, 2.7)  # inches; 360 x 259 px
_MARKERS = "osD^vP"
_OF_BINS = ("confidence", "accuracy")  # keys of what is drawn
_MOST_BARS = 12  # classes that are drawn one by one
_MOST_MARKERS = 20  # points of a line that are marked
_MOST_TICKS = 6  # places on the x axis that are all named


def accuracy(scores: Sequence[Score]) -> "figure.Figure":
    """The accuracy of each generation, with 95 % intervals where known."""
    picture, plot = svg.start(_SIZE)
    places = np.arange(len(scores))
    for place, score in enumerate(scores):
        bounds = score.interval or (score.accuracy,) * 3
        lengths = np.abs(np.subtract(bounds[1:], bounds[0]))[:, None]
        plot.errorbar(
            place,
            100 * score.accuracy,
            yerr=None if score.interval is None else 100 * lengths,
            fmt="o",
            color=svg.SERIES[0],
            capsize=4,
        )
        plot.annotate(
            verdict.one_decimal(score.accuracy),
            (place, 100 * score.accuracy),
            (7, 0),
            textcoords="offset points",
            va="center",
            color=svg.INK,
        )
    names = [score.name.replace(" ", "\n", 1) for score in scores]
    plot.set(ylabel="top-1 accuracy, %", xlim=(-0.4, len(scores) - 0.4))
    plot.set_xticks(places, names if len(scores) < 6 else places)
    return picture


def lines(
    curves: Mapping[str, Curve],
    x_label: str,
    y_label: str,
    logarithmic: bool = False,
) -> "figure.Figure":
    """A line for each curve; of several the legend has the names.

    Args:
        curves: by their names, for people.
        x_label: of the axis of `steps`.
        y_label: of the axis of `values`.
        logarithmic: whether large and small values are to be told.
    """
    picture, plot = svg.start(_SIZE)
    few = max(len(curve.steps) for curve in curves.values()) <= _MOST_MARKERS
    for number, (name, curve) in enumerate(curves.items()):
        plot.plot(
            curve.steps,
            curve.values,
            label=name,
            color=_color(number),
            marker=_MARKERS[number % len(_MARKERS)] if few else None,
            markersize=4,
            linewidth=1.4,
            linestyle=("-", "--", "-.", ":")[number % 4],
        )
    plot.set(xlabel=x_label, ylabel=y_label)
    places = sorted({x for curve in curves.values() for x in curve.steps})
    if len(places) <= _MOST_TICKS:
        plot.set_xticks(places)
    if logarithmic and all((c.values > 0).all() for c in curves.values()):
        _make_logarithmic(plot)
    if len(curves) > 1:
        _legend(picture, len(curves))
    return picture


def confidences(labels: Labels) -> "figure.Figure":
    """How sure the teacher was: images by its greatest probability."""
    assert labels.histogram is not None  # the caller looked
    picture, plot = svg.start(_SIZE)
    edges = np.arange(0, 101, 5)
    above, below = (
        _by_twenty(labels.histogram, mask)
        for mask in (labels.is_above, ~labels.is_above)
    )
    width = edges[1] - edges[0]
    plot.bar(
        edges[:-1],
        above,
        width,
        align="edge",
        color=svg.SERIES[0],
        label="at or above its class's threshold",
    )
    plot.bar(
        edges[:-1],
        below,
        width,
        bottom=above,
        align="edge",
        color=svg.SERIES[1],
        hatch="///",
        edgecolor=svg.INK,
        linewidth=0,
        label="below",
    )
    plot.axvline(
        100 * labels.min_threshold,
        color=svg.INK,
        linestyle="--",
        label=f"min_threshold={labels.min_threshold:g}",
    )
    plot.set(xlabel="probability of the pseudo label, %", ylabel="images")
    plot.set_xlim(0, 100)
    _legend(picture, 1)
    return picture


def classes(labels: Labels, names: Sequence[str]) -> "figure.Figure":
    """Images of each class through filtering and balancing.

    Of many classes there is a curve from the richest to the poorest.
    """
    columns = labels.columns
    if len(names) > _MOST_BARS:
        ranks = np.arange(1, len(names) + 1)
        curves = {
            title: Curve(ranks, np.sort(column)[::-1].astype(float))
            for title, column in columns.items()
        }
        return lines(curves, "classes, richest first", "images")
    picture, plot = svg.start(_SIZE)
    width = 0.8 / len(columns)
    for number, (title, column) in enumerate(columns.items()):
        places = np.arange(len(names)) + (number - 1.5) * width
        plot.bar(places, column, width, color=_color(number), label=title)
    short = [name if len(name) < 9 else f"{name[:8]}…" for name in names]
    upright = sum(map(len, short)) > 30
    plot.set_xticks(range(len(names)), short, rotation=90 if upright else 0)
    plot.set(xlabel="pseudo label", ylabel="images")
    _legend(picture, 2)
    return picture


def reliability(
    bins: Mapping[str, Sequence[Mapping[str, float]]],
) -> "figure.Figure":
    """Accuracy against confidence (Guo et al., arXiv 1706.04599).

    Args:
        bins: of each model those of `scores.reliability`, as dicts.
    """
    curves = {}
    for name, rows in bins.items():
        filled = [row for row in rows if row["images"]]
        points = ([100 * row[key] for row in filled] for key in _OF_BINS)
        curves[name] = Curve(*map(np.array, points))
    picture = lines(curves, "confidence, %", "accuracy, %")
    [plot] = picture.axes
    plot.plot([0, 100], [0, 100], color=svg.GRID, linewidth=2, zorder=0)
    plot.set(xlim=(0, 102), ylim=(0, 102))
    return picture


def _make_logarithmic(plot: "axes.Axes") -> None:
    """With ticks at 1, 2, 5, 10 and so on."""
    from matplotlib import ticker

    plot.set_yscale("log")
    plot.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    plot.yaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    plot.yaxis.set_minor_locator(ticker.NullLocator())


def _legend(picture: "figure.Figure", columns: int) -> None:
    style: dict[str, Any] = {"labelcolor": svg.INK, "frameon": False}
    picture.legend(
        loc="outside lower center",
        ncols=min(columns, 2),
        fontsize=9,
        handlelength=2.6,
        columnspacing=1.2,
        **style,
    )


def _color(number: int) -> str:
    return svg.SERIES[number % len(svg.SERIES)]


def _by_twenty(histogram: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Images in bins of 5 %; probability 1 is in the last one."""
    counts = np.where(mask, histogram, 0).sum(axis=0)
    counts[99] += counts[100]
    return counts[:100].reshape(20, 5).sum(axis=1)

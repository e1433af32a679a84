"""The chart of a comparison of methods."""

import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import axes, figure
from matplotlib.backends import backend_agg

from noisy_student.files import writing
from tools.benchmarks.method_figures import BASELINE, Figures, Outcome

_GREY, _BLUE, _DARK = "#bdbdbd", "#7fa8d1", "#333333"
_ROOM = 1.1  # above the highest mark
# Of a bar's dots, from its middle, where the deviation is, to its edge.
_FIRST, _LAST = 0.12, 0.31


def draw(
    task: str,
    outcomes: Mapping[str, Sequence[Outcome]],
    figures: Mapping[str, Figures],
) -> figure.Figure:
    """Bars of the mean top-1, from zero on, and a dot for each seed.

    Args:
        task: named in the title.
        outcomes: by method, one a seed.
        figures: what `summarize` made of them.
    """
    picture = figure.Figure(figsize=(8, 6), layout="constrained")
    # Agg draws without a display.
    backend_agg.FigureCanvasAgg(picture)
    plot = picture.add_subplot()
    num_seeds = len(outcomes[BASELINE])
    seeds = "1 seed" if num_seeds == 1 else f"{num_seeds} seeds"
    plot.set_title(f"{task}: top-1 accuracy of each method, {seeds}")
    plot.set_xlabel("method")
    plot.set_ylabel("top-1 on the test images, %")
    highest = _draw_bars(plot, figures)
    highest = max(highest, _draw_dots(plot, [*outcomes.values()]))
    # From zero, for a bar's length is its value.
    plot.set_ylim(0, highest * _ROOM or 1)
    limit = min(100, highest * _ROOM)
    plot.set_yticks([tick for tick in plot.get_yticks() if tick <= limit])
    picture.legend(loc="outside lower center", ncols=4, frameon=False)
    return picture


def save(picture: figure.Figure, path: pathlib.Path) -> None:
    """Writes a PNG under a temporary name and renames it.

    Raises:
        InputError: the disk has no room, or the like.
    """
    with writing.replacing(path) as temporary:
        picture.savefig(temporary, format="png", dpi=150)


def _draw_bars(plot: axes.Axes, figures: Mapping[str, Figures]) -> float:
    """Means with their numbers, deviations; returns the highest end."""
    names = [method.replace("_", "\n") for method in figures]
    means = [row.mean for row in figures.values()]
    stds = [row.std or 0.0 for row in figures.values()]
    colors = [_GREY if method == BASELINE else _BLUE for method in figures]
    plot.bar(names, means, color=colors, width=0.7, label="mean")
    plot.axhline(
        figures[BASELINE].mean,
        color=_DARK,
        linestyle=":",
        linewidth=1,
        label=f"mean of {BASELINE}",
    )
    if any(row.std is not None for row in figures.values()):
        plot.errorbar(
            names,
            means,
            stds,
            fmt="none",
            ecolor=_DARK,
            capsize=6,
            label="± standard deviation",
        )
    for place, row in enumerate(figures.values()):
        std = "" if row.std is None else f"\n± {row.std:.2f}"
        text = f"{row.mean:.2f}{std}"
        plot.text(place, row.mean / 2, text, ha="center", va="center")
    return max(mean + std for mean, std in zip(means, stds, strict=True))


def _draw_dots(plot: axes.Axes, outcomes: Sequence[Sequence[Outcome]]) -> float:
    """A dot for each run, side by side; returns the highest."""
    top_1 = np.array([[run.top_1 for run in runs] for runs in outcomes])
    num_methods, num_seeds = top_1.shape
    aside = np.linspace(_FIRST, _LAST, num_seeds)
    places = np.arange(num_methods)[:, np.newaxis] + aside
    plot.scatter(
        places.ravel(),
        top_1.ravel(),
        s=14,
        color="white",
        edgecolors=_DARK,
        zorder=3,
        label="one seed",
    )
    return float(top_1.max())

"""The chart of a study."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath
from matplotlib import axes, figure
from matplotlib.backends import backend_agg

from noisy_student.files import writing
from tools.studies.figures import Figures, Outcome

_GREY, _BLUE, _DARK = "#bdbdbd", "#7fa8d1", "#333333"
_ROOM = 1.1  # above the highest mark
# Of a bar's dots, from its middle, where the deviation is, to its edge.
_FIRST, _LAST = 0.12, 0.31


def draw(
    outcomes: Mapping[str, Sequence[Outcome]],
    figures: Mapping[str, Figures],
    baseline: str,
) -> figure.Figure:
    """Draws bars of the mean top-1, from zero on, and a dot for each seed.

    Args:
        outcomes: the runs of each arm, one per seed.
        figures: what `figures.summarize` made of them.
        baseline: the arm whose mean is drawn across.
    """
    picture = figure.Figure(figsize=(8, 6), layout="constrained")
    # Agg draws without a display.
    backend_agg.FigureCanvasAgg(picture)
    plot = picture.add_subplot()
    num_seeds = len(outcomes[baseline])
    seeds = "1 seed" if num_seeds == 1 else f"{num_seeds} seeds"
    plot.set_title(f"Top-1 accuracy of each arm, {seeds}")
    plot.set_xlabel("arm")
    plot.set_ylabel("top-1 on the test images, %")
    highest = _draw_bars(plot, figures, baseline)
    highest = max(highest, _draw_dots(plot, [*outcomes.values()]))
    # From zero, for a bar's length is its value.
    plot.set_ylim(0, highest * _ROOM or 1)
    limit = min(100, highest * _ROOM)
    plot.set_yticks([tick for tick in plot.get_yticks() if tick <= limit])
    picture.legend(loc="outside lower center", ncols=4, frameon=False)
    return picture


def save(picture: figure.Figure, path: epath.Path) -> None:
    """Writes a PNG.

    Raises:
        InputError: it cannot be written, such as to a full disk.
    """
    with writing.replacing(path) as temporary:
        picture.savefig(temporary, format="png", dpi=150)


def _draw_bars(
    plot: axes.Axes, figures: Mapping[str, Figures], baseline: str
) -> float:
    """Draws means, with their numbers and deviations; returns the top."""
    names = [arm.replace("_", "\n") for arm in figures]
    means = [row.mean for row in figures.values()]
    stds = [row.std or 0.0 for row in figures.values()]
    colors = [_GREY if arm == baseline else _BLUE for arm in figures]
    plot.bar(names, means, color=colors, width=0.7, label="mean")
    line: dict[str, Any] = {"color": _DARK, "linestyle": ":", "linewidth": 1}
    mean = figures[baseline].mean
    plot.axhline(mean, label=f"mean of {baseline}", **line)
    if any(row.std is not None for row in figures.values()):
        ends: dict[str, Any] = {"fmt": "none", "ecolor": _DARK, "capsize": 6}
        label = "± standard deviation"
        plot.errorbar(names, means, stds, label=label, **ends)
    for place, row in enumerate(figures.values()):
        std = "" if row.std is None else f"\n± {row.std:.2f}"
        text = f"{row.mean:.2f}{std}"
        plot.text(place, row.mean / 2, text, ha="center", va="center")
    return max(mean + std for mean, std in zip(means, stds, strict=True))


def _draw_dots(plot: axes.Axes, outcomes: Sequence[Sequence[Outcome]]) -> float:
    """Draws a dot for each run, side by side; returns the highest value."""
    top_1 = np.array([[run.top_1 for run in runs] for runs in outcomes])
    num_arms, num_seeds = top_1.shape
    aside = np.linspace(_FIRST, _LAST, num_seeds)
    places = np.arange(num_arms)[:, np.newaxis] + aside
    style: dict[str, Any] = {
        "s": 14,
        "color": "white",
        "edgecolors": _DARK,
        "zorder": 3,
    }
    plot.scatter(places.ravel(), top_1.ravel(), label="one seed", **style)
    return float(top_1.max())

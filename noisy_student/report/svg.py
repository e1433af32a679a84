"""matplotlib's figures as SVG that follows the page: light or dark.

Figures are drawn in the colours of `INK`, `GRID` and `SERIES`, which stand for
variables of CSS. An inline SVG takes these from the page; a file of its own
brings them along.
"""

import io
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib import axes, figure

_MARGIN = 0.12  # of a file of its own, in inches
# Colours that no figure has by chance, and their variables.
INK, GRID = "#010203", "#040506"
SERIES = ("#a00001", "#a00002", "#a00003", "#a00004", "#a00005", "#a00006")
_VARIABLES = {INK: "--ink", GRID: "--grid"} | {
    color: f"--series-{number}" for number, color in enumerate(SERIES)
}
# Told apart by the colour-blind, too (after Okabe and Ito), 3:1 on the paper.
_LIGHT = {
    "--paper": "#ffffff",
    "--ink": "#1b1f24",
    "--grid": "#d5d9de",
    "--series-0": "#0067a3",
    "--series-1": "#c8500a",
    "--series-2": "#00795a",
    "--series-3": "#9c4279",
    "--series-4": "#8a6a00",
    "--series-5": "#5b6470",
}
_DARK = {
    "--paper": "#15191e",
    "--ink": "#e4e8ec",
    "--grid": "#3a424b",
    "--series-0": "#5cb6ee",
    "--series-1": "#f2904f",
    "--series-2": "#35c497",
    "--series-3": "#e19cc6",
    "--series-4": "#e3c13a",
    "--series-5": "#9aa5b1",
}


def start(
    size: tuple[float, float],
) -> tuple["figure.Figure", "axes.Axes"]:
    """An empty figure in these colours, and its axes.

    Args:
        size: width and height in inches.
    """
    from matplotlib import figure

    picture = figure.Figure(figsize=size, layout="constrained")
    plot = picture.subplots()
    plot.spines[["top", "right"]].set_visible(False)
    plot.spines[["bottom", "left"]].set_color(INK)
    plot.tick_params(which="both", colors=INK, labelsize=9)
    plot.xaxis.label.set_color(INK)
    plot.yaxis.label.set_color(INK)
    plot.grid(axis="y", color=GRID, linewidth=0.8)
    plot.set_axisbelow(True)
    return picture, plot


def colors_css(selector: str) -> str:
    """The rules that give an element the colours, light and dark."""

    def rule(colors: dict[str, str]) -> str:
        values = " ".join(f"{name}: {x};" for name, x in colors.items())
        return f"{selector} {{ {values} }}"

    dark = f"@media (prefers-color-scheme: dark) {{ {rule(_DARK)} }}"
    return f"{rule(_LIGHT)}\n{dark}"


def inline(picture: "figure.Figure", name: str, label: str) -> str:
    """A figure as an element of a page.

    Args:
        picture: the figure.
        name: tells its elements from those of other figures on the page.
        label: what there is to see, for those who cannot; free of markup.

    Returns:
        An `<svg>` element without links, as wide as its place, at most as
        wide as the figure.
    """
    text = _draw(picture)
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text)
    text = text.replace("xlink:href=", "href=")
    text = re.sub(r'id="', f'id="{name}-', text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    text = text.replace("url(#", f"url(#{name}-")
    return _labelled(_shrinking(text), label)


def standalone(picture: "figure.Figure", label: str) -> str:
    """A figure as an SVG file, on paper of its own; see `inline`."""
    margins: Any = {"w_pad": _MARGIN, "h_pad": _MARGIN}
    picture.set_layout_engine("constrained", **margins)
    style = f"<style>{colors_css('svg')}</style>"
    paper = '<rect width="100%" height="100%" rx="6" fill="var(--paper)"/>'
    text = _labelled(_draw(picture), label)
    end = text.index(">", text.index("<svg")) + 1
    return f"{text[:end]}{style}{paper}{text[end:]}"


def _draw(picture: "figure.Figure") -> str:
    """The `<svg>` element, with variables for its colours."""
    import matplotlib

    file = io.StringIO()
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": "report"}
    with matplotlib.rc_context(settings):
        picture.savefig(file, format="svg", transparent=True)
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", text)
    for color, variable in _VARIABLES.items():
        text = text.replace(color, f"var({variable})")
    return text


def _labelled(text: str, label: str) -> str:
    """Says what there is to see."""
    return text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def _shrinking(text: str) -> str:
    """Makes a figure at most as wide as it was drawn."""
    width = re.search(r'<svg [^>]*?width="([\d.]+)pt"', text)
    assert width is not None  # matplotlib always says it
    text = re.sub(r' (width|height)="[\d.]+pt"', "", text, count=2)
    # Points are 4/3 px.
    style = f'style="max-width: {float(width[1]) * 4 / 3:.0f}px"'
    return text.replace("<svg ", f"<svg {style} ", 1)

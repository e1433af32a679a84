"""Figures have the lines that were given, and the files are whole PNGs."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from noisy_student.report import plots

TYPES = (
    "fog",
    "snow",
    "frost",
    "pixelate",
    "contrast",
    "glass_blur",
    "spatter",
)


def panels(figure):
    """{title: {label: (x, y)}} of all lines."""
    return {
        plot.get_title(): {
            line.get_label(): (line.get_xdata(), line.get_ydata())
            for line in plot.get_lines()
        }
        for plot in figure.axes
    }


def check_png(path):
    with Image.open(path) as image:
        assert image.format == "PNG"
        pixels = np.asarray(image.convert("L"))
    assert pixels.min() < 100 < pixels.max()
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_error_by_severity(tmp_path):
    path = tmp_path / "plots" / "errors.png"
    given = {
        "teacher": {"fog": [0.1, 0.5, 1.0], "snow": [0.0, 0.25, 0.75]},
        "student": {"fog": [0.1, 0.2, 0.3]},
    }
    figure = plots.error_by_severity(given, path, severities=(1, 3, 5))
    found = panels(figure)
    assert list(found) == ["fog", "snow"]
    assert list(found["fog"]) == ["teacher", "student"]
    assert list(found["snow"]) == ["teacher"]
    x, y = found["snow"]["teacher"]
    assert (list(x), list(y)) == ([1, 3, 5], [0, 25, 75])
    assert legend(figure) == ["teacher", "student"]
    assert [plot.get_xlabel() for plot in figure.axes] == ["severity"] * 2
    assert figure.axes[0].get_ylabel() == "top-1 error, %"
    check_png(path)


def test_every_type_has_a_panel_that_says_its_severities(tmp_path):
    path = tmp_path / "errors.png"
    given = {"model": {name: [0.1] * 5 for name in TYPES}}
    figure = plots.error_by_severity(given, path)
    assert tuple(panels(figure)) == TYPES
    # Five in a row: three of the first have none below.
    labelled = [bool(plot.get_xlabel()) for plot in figure.axes]
    assert labelled == [False, False, True, True, True, True, True]
    check_png(path)


def test_a_model_keeps_its_colour_where_another_is_missing(tmp_path):
    given = {
        "a": {"fog": [0.1] * 5},
        "b": {"fog": [0.2] * 5, "snow": [0.3] * 5},
    }
    figure = plots.error_by_severity(given, tmp_path / "errors.png")
    colors = {
        (plot.get_title(), line.get_label()): line.get_color()
        for plot in figure.axes
        for line in plot.get_lines()
    }
    assert colors["fog", "b"] == colors["snow", "b"] != colors["fog", "a"]


def test_accuracy_by_epsilon(tmp_path):
    """Epsilons are in their order, whether numbers or keys of JSON."""
    path = tmp_path / "accuracy.png"
    given = {
        "generation_00": {"fgsm": {"16.0": 0.25, "2.0": 0.5}, "pgd": {1: 0.75}},
        "generation_01": {"fgsm": {2: 0.625, 16: 0.375}},
    }
    figure = plots.accuracy_by_epsilon(given, path)
    found = panels(figure)
    assert list(found) == ["fgsm", "pgd"]
    for model, heights in (
        ("generation_00", [50, 25]),
        ("generation_01", [62.5, 37.5]),
    ):
        x, y = found["fgsm"][model]
        assert (list(x), list(y)) == ([2, 16], heights)
    assert legend(figure) == ["generation_00", "generation_01"]
    assert figure.axes[0].get_ylabel() == "top-1 accuracy, %"
    assert figure.axes[0].get_xlabel() == "epsilon, 1/255 of the range"
    check_png(path)


def bins(*rows):
    names = ("low", "high", "images", "accuracy", "confidence")
    return [dict(zip(names, row, strict=True)) for row in rows]


def test_reliability_diagram(tmp_path):
    path = tmp_path / "reliability.png"
    given = {
        "teacher": bins(
            (0, 0.25, 0, 0, 0), (0.25, 0.5, 1, 1, 0.5), (0.5, 1, 3, 0.5, 0.75)
        ),
        "student": bins((0, 0.5, 2, 0, 0.25), (0.5, 1, 2, 1, 1)),
    }
    figure = plots.reliability_diagram(given, path)
    upper, lower = figure.axes
    lines = {line.get_label(): line for line in upper.get_lines()}
    # Bins without images have no point.
    assert list(lines["teacher"].get_xdata()) == [50, 75]
    assert list(lines["teacher"].get_ydata()) == [100, 50]
    assert list(lines["student"].get_xdata()) == [25, 100]
    assert list(lines["perfectly calibrated"].get_xdata()) == [0, 100]
    shares = [patch.get_data() for patch in lower.patches]
    assert list(shares[0].values) == [0, 25, 75]
    assert list(shares[0].edges) == [0, 25, 50, 100]
    assert list(shares[1].values) == [50, 50]
    assert legend(figure) == ["perfectly calibrated", "teacher", "student"]
    assert (upper.get_ylabel(), lower.get_xlabel()) == (
        "accuracy, %",
        "confidence, %",
    )
    check_png(path)


@pytest.mark.parametrize(
    ("draw", "given", "message"),
    [
        (plots.error_by_severity, {}, "There is nothing to draw in"),
        (plots.accuracy_by_epsilon, {"m": {}}, "There is nothing to draw in"),
        (plots.reliability_diagram, {}, "There is nothing to draw in"),
        (
            plots.error_by_severity,
            {"m": {"fog": [0.5]}},
            "m has 1 errors of fog, and there are 5 severities",
        ),
        (
            plots.error_by_severity,
            {"m": {"fog": [50, 1, 1, 1, 1]}},
            r"m, fog: 50 is not in \[0, 1\]",
        ),
        (
            plots.accuracy_by_epsilon,
            {"m": {"pgd": {1: float("nan")}}},
            r"m, pgd: nan is not in \[0, 1\]",
        ),
    ],
)
def test_bad_values_are_refused(draw, given, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        draw(given, tmp_path / "plot.png")
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
def test_the_backend_is_imported_only_to_draw():
    """Keras imports other parts of matplotlib by itself."""
    code = (
        "import sys; from noisy_student.report import audit, plots; "
        "assert 'matplotlib.backends.backend_agg' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

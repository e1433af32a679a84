"""Arms are compared as statistics says, and the chart shows just that."""

import numpy as np
import pytest
from PIL import Image

from noisy_student.errors import InputError
from tools.studies import chart, figures
from tools.studies.figures import Outcome

ARMS = (
    "supervised",
    "noisy_student",
    "pi_model",
    "temporal_ensembling",
    "mean_teacher",
)


def outcomes_of(**top_1):
    """One outcome a number; the i-th run took i + 1 seconds."""
    return {
        arm: [Outcome((value,), i + 1) for i, value in enumerate(values)]
        for arm, values in top_1.items()
    }


def test_figures_are_those_of_numpy():
    generator = np.random.default_rng(0)
    top_1 = {name: generator.uniform(80, 95, 7) for name in ARMS}
    summary = figures.summarize(outcomes_of(**top_1), "supervised")
    assert list(summary) == list(ARMS)
    for name, values in top_1.items():
        assert summary[name].mean == pytest.approx(values.mean())
        assert summary[name].std == pytest.approx(values.std(ddof=1))
        assert summary[name].seconds == 4
        if name != "supervised":
            gains = values - top_1["supervised"]
            error = gains.std(ddof=1) / np.sqrt(7)
            assert summary[name].gain == pytest.approx(gains.mean())
            assert summary[name].standard_error == pytest.approx(error)
            ratio = gains.mean() / error
            assert summary[name].ratio == pytest.approx(ratio)
    baseline = summary["supervised"]
    assert baseline.gain is baseline.standard_error is baseline.ratio is None


def test_the_error_is_that_of_pairs():
    """Seeds differ by tens of points, methods by 1, 2 and 3."""
    outcomes = outcomes_of(supervised=[50, 70, 90], pi_model=[51, 72, 93])
    summary = figures.summarize(outcomes, "supervised")["pi_model"]
    assert summary.gain == pytest.approx(2)
    assert summary.standard_error == pytest.approx(1 / np.sqrt(3))
    assert summary.std == pytest.approx(21)


@pytest.mark.parametrize(
    ("others", "beaten"),
    [
        ({"pi_model": [51, 71.5]}, True),
        ({"pi_model": [51, 71]}, True),  # without any error
        ({"pi_model": [51, 71.5], "mean_teacher": [50, 71]}, False),
        ({"pi_model": [49, 69.5]}, False),
        ({}, None),
    ],
)
def test_all_beat_supervised(others, beaten):
    outcomes = outcomes_of(supervised=[50, 70], **others)
    summary = figures.summarize(outcomes, "supervised")
    assert figures.all_beat(summary, "supervised") is beaten


def test_one_seed_has_no_deviations():
    outcomes = outcomes_of(supervised=[80], mean_teacher=[82.5])
    summary = figures.summarize(outcomes, "supervised")
    row = summary["mean_teacher"]
    assert (row.mean, row.gain) == (82.5, 2.5)
    assert row.std is row.standard_error is row.ratio is None
    assert figures.all_beat(summary, "supervised") is None
    table = figures.format_table(summary, 1).split("\n")
    assert " ".join(table[1].split()) == "supervised 1 80.00 ± - - - 1"
    expected = "mean_teacher 1 82.50 ± - +2.50 ± - - 1"
    assert " ".join(table[2].split()) == expected


def test_the_table():
    outcomes = outcomes_of(supervised=[80, 82], pi_model=[84, 83])
    summary = figures.summarize(outcomes, "supervised")
    header, first, second = figures.format_table(summary, 2).split("\n")
    assert len(header) == len(first) == len(second)
    assert " ".join(first.split()) == "supervised 2 81.00 ± 1.41 - - 2"
    expected = "pi_model 2 83.50 ± 0.71 +2.50 ± 1.50 1.7 2"
    assert " ".join(second.split()) == expected


def test_students_are_compared_with_their_own_first_teachers():
    runs = [Outcome((80, 70, 90), 30), Outcome((90, 90, 94), 30)]
    summary = figures.summarize({"digits": runs}, "digits")
    row = summary["digits"]
    assert (row.teacher, row.mean) == (85, 92)
    assert row.student_gain == pytest.approx(7)
    assert row.teacher_std == pytest.approx(np.std([80, 90], ddof=1))
    assert row.student_gain_std == pytest.approx(np.std([10, 4], ddof=1))
    assert row.gain is row.standard_error is None and row.seconds == 30
    assert figures.all_beat(summary, "digits") is None
    header, line = figures.format_table(summary, 2).split("\n")
    assert "first teacher, %" in header and "student gain" in header
    expected = "digits 2 92.00 ± 2.83 - - 85.00 ± 7.07 +7.00 ± 4.24 30"
    assert " ".join(line.split()) == expected


def test_runs_of_one_generation_have_no_teacher():
    outcomes = outcomes_of(supervised=[80, 82]) | {
        "self_training": [Outcome((70, 90), 5), Outcome((71, 92), 5)]
    }
    summary = figures.summarize(outcomes, "supervised")
    alone = summary["supervised"]
    assert alone.teacher is alone.student_gain is alone.teacher_std is None
    _, first, second = figures.format_table(summary, 2).split("\n")
    assert first.split()[-3:] == ["-", "-", "2"]
    assert " ".join(second.split()[-7:-1]) == "70.50 ± 0.71 +20.50 ± 0.71"
    without = figures.format_table(
        figures.summarize(outcomes_of(supervised=[80]), "supervised"), 1
    )
    assert "teacher" not in without


def test_figures_for_json_are_rounded():
    outcomes = outcomes_of(supervised=[80, 81, 83])
    summary = figures.summarize(outcomes, "supervised")
    assert figures.entries(summary, 2)["supervised"] == {
        "mean": 81.33,
        "std": 1.53,
        "gain": None,
        "standard_error": None,
        "teacher": None,
        "teacher_std": None,
        "student_gain": None,
        "student_gain_std": None,
        "seconds": 2,
    }


def test_the_chart_has_bars_from_zero_and_a_dot_a_seed():
    generator = np.random.default_rng(0)
    top_1 = {name: generator.uniform(80, 99, 4) for name in ARMS}
    outcomes = outcomes_of(**top_1)
    summary = figures.summarize(outcomes, "supervised")
    picture = chart.draw(outcomes, summary, "supervised")
    (plot,) = picture.axes
    bars, errors = plot.containers
    means = [values.mean() for values in top_1.values()]
    assert [bar.get_height() for bar in bars] == pytest.approx(means)
    assert {bar.get_y() for bar in bars} == {0} and plot.get_ylim()[0] == 0
    ends = np.array(errors.lines[2][0].get_segments())[:, :, 1]
    stds = [values.std(ddof=1) for values in top_1.values()]
    np.testing.assert_allclose(np.ptp(ends, axis=1), 2 * np.array(stds))
    np.testing.assert_allclose(ends.mean(axis=1), means)
    numbers = [text.get_text() for text in plot.texts]
    assert numbers == [
        f"{mean:.2f}\n± {std:.2f}"
        for mean, std in zip(means, stds, strict=True)
    ]
    (dots,) = plot.collections[-1:]
    places, heights = dots.get_offsets().T
    np.testing.assert_allclose(heights, np.concatenate([*top_1.values()]))
    assert list(np.round(places)) == [i for i in range(5) for _ in range(4)]
    assert len(set(places)) == 20
    assert max(heights) < plot.get_ylim()[1] and max(plot.get_yticks()) <= 100
    labels = [label.get_text() for label in plot.get_xticklabels()]
    assert [label.replace("\n", "_") for label in labels] == list(ARMS)
    assert "4 seeds" in plot.get_title()
    assert plot.get_xlabel() and "%" in plot.get_ylabel()


def test_the_chart_of_one_seed_has_no_error_bars():
    outcomes = outcomes_of(supervised=[0.0], pi_model=[0.0])
    summary = figures.summarize(outcomes, "supervised")
    (plot,) = chart.draw(outcomes, summary, "supervised").axes
    assert len(plot.containers) == 1 and "1 seed" in plot.get_title()
    assert [text.get_text() for text in plot.texts] == ["0.00", "0.00"]


def test_the_chart_is_written_as_a_png(tmp_path):
    outcomes = outcomes_of(supervised=[80.0, 81.0], pi_model=[84.0, 83.0])
    picture = chart.draw(
        outcomes, figures.summarize(outcomes, "supervised"), "supervised"
    )
    chart.save(picture, tmp_path / "chart.png")
    with Image.open(tmp_path / "chart.png") as image:
        assert image.format == "PNG" and min(image.size) > 500
        assert len(image.convert("RGB").getcolors(10**6)) > 20
    assert [path.name for path in tmp_path.iterdir()] == ["chart.png"]
    (tmp_path / "none").touch()
    with pytest.raises(InputError, match="cannot be written"):
        chart.save(picture, tmp_path / "none" / "chart.png")

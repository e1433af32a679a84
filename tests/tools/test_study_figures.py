"""Arms are compared as statistics says, and tables and chart show just that."""

import dataclasses
import json

import numpy as np
import pytest
from scipy import stats

from noisy_student.errors import InputError
from tests.tools.studied import MACHINE, by_seed, outcome, record
from tools.studies import chart, figures, tables
from tools.studies.results import ArmResults, Results

ARMS = (
    "supervised",
    "noisy_student",
    "pi_model",
    "temporal_ensembling",
    "mean_teacher",
)


def results_of(generations=(), **arms):
    """Results of records by arm and seed; the first arm is the base."""
    base, *_ = arms
    by_arm = {
        "base" if name == base else name: ArmResults((f"--{name}",), runs)
        for name, runs in arms.items()
    }
    return Results("toy", base, generations, by_arm)


def cells(table):
    """The words of each line, without the spaces between them."""
    return [" ".join(line.split()) for line in table.split("\n")]


def test_figures_are_those_of_numpy_and_scipy():
    generator = np.random.default_rng(0)
    top_1 = {name: generator.uniform(80, 95, 7) for name in ARMS}
    outcomes = {name: by_seed(values) for name, values in top_1.items()}
    found = figures.of_arms(outcomes, ["supervised", "pi_model"])
    assert list(found) == list(ARMS)
    for name, values in top_1.items():
        assert found[name].seeds == tuple(range(7))
        spread = (values.mean(), values.std(ddof=1))
        assert found[name].top_1 == pytest.approx(spread)
        others = [each for each in ("supervised", "pi_model") if each != name]
        assert list(found[name].over) == others
        for other in others:
            test = stats.ttest_rel(values, top_1[other])
            low, high = test.confidence_interval(0.95)
            expected = (values - top_1[other]).mean(), low, high
            assert found[name].over[other] == pytest.approx(expected)


def test_intervals_are_those_of_pairs():
    """Seeds differ by tens of points, methods by 1, 2 and 3."""
    outcomes = {
        "supervised": by_seed([50, 70, 90]),
        "pi_model": by_seed([51, 72, 93]),
    }
    row = figures.of_arms(outcomes, ["supervised"])["pi_model"]
    half = 4.302653 / np.sqrt(3)  # Student's quantile, from a printed table
    expected = pytest.approx((2, 2 - half, 2 + half))
    assert row.over["supervised"] == expected
    assert row.top_1.std == pytest.approx(21)


def test_only_seeds_that_both_have_are_paired():
    after = {0: 60.0, 3: 71.0, 5: 82.0, 7: 0.0}
    before = {9: 100.0, 5: 80.0, 3: 70.0, 0: 60.0}
    mean, low, high = figures.difference(after, before)
    expected = stats.ttest_rel([60, 71, 82], [60, 70, 80])
    assert mean == 1
    bounds = expected.confidence_interval(0.95)
    assert (low, high) == pytest.approx((bounds.low, bounds.high))
    assert figures.difference({0: 1.0}, {1: 1.0}) is None


def test_one_seed_has_no_interval():
    results = results_of(
        supervised={4: record(80)}, mean_teacher={4: record(82.5)}
    )
    outcomes = results.outcomes()
    row = figures.of_arms(outcomes, ["supervised"])["mean_teacher"]
    assert row.top_1 == (82.5, None)
    assert row.over == {"supervised": (2.5, None, None)}
    _, first, second, *_ = cells(tables.show(results))
    assert first == "supervised 1 80.00 ± - - - 1"
    assert second == "mean_teacher 1 82.50 ± - +2.50 - 1"


def test_the_table_of_arms():
    results = results_of(
        supervised={0: record(80), 1: record(82, seconds=4)},
        pi_model={0: record(84), 1: record(83)},
    )
    lines = tables.show(results).split("\n")
    assert len(lines[0]) == len(lines[1]) == len(lines[2])
    header, first, second, machine, last = cells("\n".join(lines))
    assert header == "arm seeds top-1, % over supervised 95 % interval seconds"
    assert first == "supervised 2 81.00 ± 1.41 - - 2"
    low, high = stats.ttest_rel([84, 83], [80, 82]).confidence_interval()
    interval = f"{low:+.2f} to {high:+.2f}"
    assert second == f"pi_model 2 83.50 ± 0.71 +2.50 {interval} 1"
    assert machine == ("4 runs: 0123456; Python 3.11.7; A, 2 cores, 4.5 GiB")
    assert json.loads(last)["pi_model"] == {
        "seeds": [0, 1],
        "top_1": {"mean": 83.5, "std": 0.707},
        "over": {
            "supervised": {
                "mean": 2.5,
                "low": pytest.approx(low, abs=6e-4),
                "high": pytest.approx(high, abs=6e-4),
            }
        },
        "seconds": 1,
    }


def test_arms_are_compared_with_another_too():
    results = results_of(
        supervised={0: record(80)},
        noisy_student={0: record(86)},
        pi_model={0: record(83)},
    )
    both = dataclasses.replace(results, compared_with=("noisy_student",))
    header, first, second, third, *_ = cells(tables.show(both))
    assert header == (
        "arm seeds top-1, % over supervised 95 % interval over noisy_student "
        "95 % interval seconds"
    )
    assert first == "supervised 1 80.00 ± - - - -6.00 - 1"
    assert second == "noisy_student 1 86.00 ± - +6.00 - - - 1"
    assert third == "pi_model 1 83.00 ± - +3.00 - -3.00 - 1"


def test_the_chosen_models_are_compared():
    """By the table of arms and the chart, while generations stay in order."""
    results = results_of(
        supervised={0: record(70)}, loop={0: record(80, 90, 85, chosen=1)}
    )
    text = tables.show(results)
    _, _, row, *_ = cells(text)
    assert row == "loop 1 90.00 ± - +20.00 - 3"
    rows = cells(text.split("\n\n")[1])[1:]
    assert [line.split()[3] for line in rows] == ["80.00", "90.00", "85.00"]
    (plot,) = chart.draw(results.outcomes(), "supervised").axes
    assert [mark.get_text() for mark in plot.texts] == ["70.00", "90.00"]


def test_students_are_compared_with_those_before():
    """Against scipy, where one run ended before its last student."""
    top_1 = np.array([[80, 84, 90], [90, 91, 94], [70, 76, 75]])
    runs = {seed: record(*row) for seed, row in enumerate(top_1)}
    runs[3] = record(60, 65)
    rows = figures.of_generations(results_of(digits=runs).outcomes()["digits"])
    assert [row.number for row in rows] == [0, 1, 2]
    assert [row.seeds for row in rows] == [(0, 1, 2, 3)] * 2 + [(0, 1, 2)]
    first, second = [*top_1[:, 0], 60], [*top_1[:, 1], 65]
    assert rows[0].top_1 == pytest.approx((75, np.std(first, ddof=1)))
    assert rows[0].over_first is rows[0].over_previous is None
    assert rows[1].over_first == rows[1].over_previous
    for pair, estimate in (
        ((second, first), rows[1].over_first),
        ((top_1[:, 2], top_1[:, 0]), rows[2].over_first),
        ((top_1[:, 2], top_1[:, 1]), rows[2].over_previous),
    ):
        bounds = stats.ttest_rel(*pair).confidence_interval(0.95)
        mean = np.mean(np.subtract(*pair))
        assert estimate == pytest.approx((mean, bounds.low, bounds.high))


def test_the_table_of_generations():
    scores = {"corrupted_accuracy": 0.5, "mean_flip_rate": 61.0}
    both = {
        0: record(80, 90, labels=0.75, **scores),
        1: record(82, 86, labels=0.85, **scores),
    }
    results = results_of(alone={0: record(70), 1: record(71)}, loop=both)
    text = tables.show(results)
    table = text.split("\n\n")[1]
    header, first, second = cells(table)
    assert header == (
        "arm generation seeds top-1, % over first teacher 95 % interval "
        "label accuracy, % corrupted, % mean flip rate, %"
    )
    ends = "80.00 ± 7.07 50.00 ± 0.00 61.00 ± 0.00"
    assert first == f"loop 0 2 81.00 ± 1.41 - - {ends}"
    low, high = stats.ttest_rel([90, 86], [80, 82]).confidence_interval()
    gain = f"+7.00 {low:+.2f} to {high:+.2f}"
    assert second == f"loop 1 2 88.00 ± 2.83 {gain} {ends}"
    entry = json.loads(text.split("\n")[-1])["loop"]["generations"][1]
    assert entry["corrupted_accuracy"] == {"mean": 50, "std": 0}
    assert entry["over_first"]["mean"] == entry["over_previous"]["mean"] == 7
    assert entry["label_accuracy"] == {"mean": 80, "std": 7.071}


def test_students_of_students_are_compared_with_both():
    runs = {0: record(80, 84, 90), 1: record(82, 86, 94)}
    text = tables.show(results_of(loop=runs))
    header, *_, last = cells(text.split("\n\n")[1])
    assert header.endswith("over the one before 95 % interval")
    gains = [
        f"{np.mean(gain):+.2f} {low:+.2f} to {high:+.2f}"
        for gain in ([10, 12], [6, 8])
        for low, high in [stats.ttest_1samp(gain, 0).confidence_interval()]
    ]
    assert last == f"loop 2 2 92.00 ± 2.83 {' '.join(gains)}"


def test_some_generations_are_shown():
    runs = {0: record(80, 85, 90), 1: record(81, 88, 92)}
    whole = tables.show(results_of(digits=runs)).split("\n\n")[1]
    some = tables.show(results_of(digits=runs, generations=(0, 2)))
    expected = cells(whole)
    assert cells(some.split("\n\n")[1]) == [*expected[:2], expected[3]]


def test_runs_of_one_generation_have_one_table():
    text = tables.show(results_of(supervised={0: record(80)}))
    assert "generation" not in text and "\n\n" not in text


def test_what_was_not_run_is_said():
    other = dataclasses.replace(MACHINE, has_changes=True, jobs=2)
    results = results_of(
        supervised={2: record(80, machine=other)},
        pi_model={1: record(80), 2: record(81), 5: record(82)},
        mean_teacher={},
    )
    table, rest = tables.show(results).split("Not run: ")
    assert "mean_teacher" not in table
    missing, first, second, _ = rest.split("\n")
    assert missing == "supervised (seed 1, 5), mean_teacher (seed 1, 2, 5)."
    assert first.startswith("1 run, supervised (seed 2): 0123456 with changes;")
    assert first.endswith(", 2 runs at once")
    assert second.startswith("3 runs, pi_model (seed 1, 2, 5): 0123456; ")
    without_base = results_of(supervised={}, pi_model={1: record(80)})
    assert "pi_model 1 80.00 ± - - - 1" in cells(tables.show(without_base))


def test_the_chart_has_intervals_and_a_dot_a_seed():
    generator = np.random.default_rng(0)
    top_1 = {name: generator.uniform(80, 99, 4) for name in ARMS}
    outcomes = {name: by_seed(values) for name, values in top_1.items()}
    (plot,) = chart.draw(outcomes | {"later": {}}, "supervised").axes
    assert len(plot.containers) == len(ARMS)
    for place, values in enumerate(top_1.values()):
        bars = plot.containers[place]
        (marks,) = bars.lines[0].get_xydata()
        np.testing.assert_allclose(marks, [values.mean(), place])
        ((left, right),) = bars.lines[2][0].get_segments()
        error = stats.sem(values)
        bounds = stats.t.interval(0.95, 3, values.mean(), error)
        np.testing.assert_allclose([left[0], right[0]], bounds)
    offsets = [found.get_offsets() for found in plot.collections]
    dots = [found for found in offsets if len(found) == 4]
    assert len(dots) == len(ARMS)
    for place, values in enumerate(top_1.values()):
        np.testing.assert_allclose(dots[place][:, 0], values)
        assert {*np.round(dots[place][:, 1])} == {place}
    numbers = [text.get_text() for text in plot.texts]
    assert numbers == [f"{values.mean():.2f}" for values in top_1.values()]
    labels = [label.get_text() for label in plot.get_yticklabels()]
    assert labels == list(ARMS) and plot.yaxis_inverted()
    assert "%" in plot.get_xlabel()


def test_the_chart_of_one_seed_has_no_intervals():
    outcomes = {"supervised": by_seed([80.0]), "pi_model": by_seed([84.0])}
    (plot,) = chart.draw(outcomes, "supervised").axes
    assert [bars.has_xerr for bars in plot.containers] == [False, False]
    assert [text.get_text() for text in plot.texts] == ["80.00", "84.00"]


def test_the_chart_is_written_as_svg(tmp_path):
    runs = {0: record(80), 1: record(81)}
    results = results_of(supervised=runs, later={})
    for name in ("a.svg", "b.svg"):
        chart.write(results, tmp_path / name)
    text = (tmp_path / "a.svg").read_text()
    assert text == (tmp_path / "b.svg").read_text()
    assert text.startswith("<svg ") and "supervised 80.50 %" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.svg",
        "b.svg",
    ]
    (tmp_path / "none").touch()
    with pytest.raises(InputError, match="cannot be written"):
        chart.write(results, tmp_path / "none" / "chart.svg")


def test_a_run_takes_as_long_as_its_generations():
    assert outcome(80, 85, 90, seconds=2.5).seconds == 7.5

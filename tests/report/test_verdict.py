"""Sentences of known numbers; intervals of shares against SciPy."""

import dataclasses

import pytest
from scipy import stats

from noisy_student.evaluation import intervals
from noisy_student.evaluation.intervals import Interval
from noisy_student.report import verdict
from noisy_student.report.run import Run
from noisy_student.report.verdict import Score, Scores
from tests.report import made_run


@pytest.mark.parametrize("right, number", [(0, 5), (7, 9), (9, 9), (363, 400)])
def test_wilson_is_scipys(right, number):
    expected = stats.binomtest(right, number).proportion_ci(method="wilson")
    found = intervals.wilson(right / number, number)
    assert found.mean == right / number
    assert found[1:] == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_differences_are_newcombes():
    """The example (a) of his paper's table II: 56/70 against 48/80."""
    found = intervals.difference(
        intervals.wilson(56 / 70, 70), intervals.wilson(48 / 80, 80)
    )
    assert found == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


@pytest.fixture
def run(tmp_path):
    made_run.make(tmp_path / "run")
    return Run.read(tmp_path / "run")


def scores_of(gain, *bounds):
    teacher = Score("first teacher", 0.5, Interval(0.5, 0.4, 0.6))
    interval = Interval(gain, *bounds) if bounds else None
    return Scores(
        [teacher, Score("student 2", 0.5 + gain, None, interval)], 9, True
    )


@pytest.mark.parametrize(
    "gain, bounds, text",
    [
        (
            0.0425,
            (0.0175, 0.068),
            "The last student is 4.3 points better than the first teacher "
            "(95 % interval 1.8 to 6.8).",
        ),
        (
            -0.02,
            (-0.03, -0.01),
            "The last student is 2.0 points worse than the first teacher "
            "(95 % interval −3.0 to −1.0).",
        ),
        (
            0.012,
            (-0.0081, 0.0302),
            "The last student is 1.2 points above the first teacher, which "
            "may be chance: the 95 % interval, −0.8 to 3.0, holds 0.",
        ),
        (
            -0.012,
            (-0.03, 0.0),
            "The last student is 1.2 points below the first teacher, which "
            "may be chance: the 95 % interval, −3.0 to 0.0, holds 0.",
        ),
        (
            0.1,
            (),
            "The last student is 10.0 points above the first teacher; how "
            "many test images there are is unknown, so that chance is not "
            "ruled out.",
        ),
    ],
)
def test_of_a_finished_run(run, gain, bounds, text):
    assert verdict.verdict(run, scores_of(gain, *bounds)) == text


@pytest.mark.parametrize(
    "finished, text",
    [
        (0, "The run is not finished: the first teacher is not trained yet."),
        (
            1,
            "The run is not finished: the first teacher has 50.0 % (95 % "
            "interval 43.1 to 56.9), and no student is done yet.",
        ),
        (
            2,
            "The run is not finished, 1 of 2 students is done. The newest "
            "student is 20.0 points better than the first teacher (95 % "
            "interval 10.4 to 29.1).",
        ),
    ],
)
def test_of_a_run_that_is_not_finished(tmp_path, finished, text):
    made_run.make(tmp_path / "run", finished=finished)
    found = Run.read(tmp_path / "run")
    assert verdict.verdict(found, Scores.of(found)) == text


def test_evaluations_are_taken_where_they_have_all_generations(run):
    assert Scores.of(run).num_images == made_run.TEST_IMAGES
    made_run.make_evaluation(run.directory, generations=2)
    assert not Scores.of(Run.read(run.directory)).paired
    made_run.make_evaluation(run.directory)
    scores = Scores.of(Run.read(run.directory))
    assert scores.paired and scores.num_images == 1000
    assert scores.of_models[0].gain is None
    assert scores.of_models[2].gain == pytest.approx((0.25, 0.24, 0.26))


def test_without_the_number_of_images_there_is_no_interval(run):
    plain = [
        dataclasses.replace(each, evaluations=[]) for each in run.trainings
    ]
    scores = Scores.of(dataclasses.replace(run, trainings=plain))
    assert scores.num_images is None
    assert [each.interval for each in scores.of_models] == [None] * 3


@pytest.mark.parametrize(
    "share, text",
    [(0.9075, "90.8"), (0.0425, "4.3"), (-0.0081, "−0.8"), (-0.0001, "0.0")],
)
def test_halves_are_rounded_away_from_0(share, text):
    assert verdict.one_decimal(share) == text

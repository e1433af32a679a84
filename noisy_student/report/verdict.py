"""How good the models are, with intervals, and what that comes to in words."""

import dataclasses
import decimal
from collections.abc import Mapping, Sequence
from typing import Any

from noisy_student.evaluation import intervals
from noisy_student.evaluation.intervals import Interval
from noisy_student.report.run import Run, name_of

_TEST = "test"


@dataclasses.dataclass(frozen=True)
class Score:
    """The top-1 accuracy of a model on the test images.

    Attributes:
        name: of the model, for people.
        accuracy: in [0, 1].
        interval: the same, with its bounds; None where the number of test
            images is unknown.
        gain: how much larger than the first one's it is, in [-1, 1]; None for
            the first, and where there is no interval.
    """

    name: str
    accuracy: float
    interval: Interval | None = None
    gain: Interval | None = None


@dataclasses.dataclass(frozen=True)
class Scores:
    """Those of all finished generations, or of one model.

    Attributes:
        of_models: the first teacher first.
        num_images: number of test images; None if unknown.
        paired: whether the gains are paired image by image.
    """

    of_models: Sequence[Score]
    num_images: int | None
    paired: bool

    @classmethod
    def of(cls, run: Run) -> "Scores":
        """Takes them from `--mode=eval` where it has all, else from the run."""
        of_tests = [
            by_split[_TEST]
            for by_split in run.evaluation.values()
            if _TEST in by_split
        ]
        finished = len(run.generations) if run.is_loop else 1
        has_gains = all("top_1_gain" in each for each in of_tests[1:])
        if of_tests and len(of_tests) == finished and has_gains:
            return cls._of_evaluation(run, of_tests)
        return cls._of_run(run)

    @classmethod
    def _of_evaluation(
        cls, run: Run, of_tests: Sequence[Mapping[str, Any]]
    ) -> "Scores":
        scores = [
            Score(
                _name(run, number),
                found["top_1_accuracy"],
                Interval(found["top_1_accuracy"], *found["top_1_accuracy_95"]),
                Interval(found["top_1_gain"], *found["top_1_gain_95"])
                if number
                else None,
            )
            for number, found in enumerate(of_tests)
        ]
        return cls(scores, of_tests[0]["num_images"], paired=True)

    @classmethod
    def _of_run(cls, run: Run) -> "Scores":
        lines = [t.evaluations[-1] for t in run.trainings if t.evaluations]
        rows = run.generations if run.is_loop else lines[:1]
        found = {line.get("num_images") for line in lines}
        number = found.pop() if len(found) == 1 else None
        accuracies = [row["top_1_accuracy"] for row in rows]
        if not number:
            plain = [Score(_name(run, n), a) for n, a in enumerate(accuracies)]
            return cls(plain, None, paired=False)
        bounds = [intervals.wilson(share, number) for share in accuracies]
        scores = [
            Score(
                _name(run, place),
                own.mean,
                own,
                intervals.difference(own, bounds[0]) if place else None,
            )
            for place, own in enumerate(bounds)
        ]
        return cls(scores, number, paired=False)


def _name(run: Run, number: int) -> str:
    return name_of(number) if run.is_loop else "model"


def verdict(run: Run, scores: Scores) -> str:
    """Whether the students are better than the teacher, in a sentence or two.

    It says where the test images do not tell, and where the run has not come
    to its end.
    """
    if not run.is_loop:
        return _of_one_model(run, scores)
    models = scores.of_models
    if not models:
        return "The run is not finished: the first teacher is not trained yet."
    if len(models) == 1:
        only = f"the first teacher has {_percent(models[0])}"
        return f"The run is not finished: {only}, and no student is done yet."
    if run.is_finished:
        return _of_finished(run, models)
    done, wanted = len(models) - 1, run.config.self_training.num_iterations
    so_far = _comparison(models[0], models[-1], "newest")
    return (
        f"The run is not finished, {done} of {wanted} students "
        f"{'is' if done == 1 else 'are'} done. {so_far}"
    )


def _of_finished(run: Run, models: Sequence[Score]) -> str:
    last = len(models) - 1
    if run.chosen in (None, last):
        return _comparison(models[0], models[last], "last")
    if run.chosen == 0:
        return (
            "On the validation images no student is better than the first "
            "teacher, which is therefore kept. On the test images: "
            f"{_comparison(models[0], models[last], 'last')}"
        )
    return (
        f"Student {run.chosen} is the best on the validation images. "
        f"{_comparison(models[0], models[run.chosen], 'chosen')}"
    )


def _comparison(teacher: Score, student: Score, which: str) -> str:
    if student.accuracy == teacher.accuracy:
        return f"The {which} student is as good as the first teacher."
    side = "above" if student.accuracy > teacher.accuracy else "below"
    size = f"{one_decimal(abs(student.accuracy - teacher.accuracy))} points"
    gain = student.gain
    subject = f"The {which} student is"
    if gain is None:
        return (
            f"{subject} {size} {side} the first teacher; how many test images "
            "there are is unknown, so that chance is not ruled out."
        )
    bounds = f"{one_decimal(gain.low)} to {one_decimal(gain.high)}"
    if gain.low > 0:
        return (
            f"{subject} {size} better than the first teacher (95 % interval "
            f"{bounds})."
        )
    if gain.high < 0:
        return (
            f"{subject} {size} worse than the first teacher (95 % interval "
            f"{bounds})."
        )
    return (
        f"{subject} {size} {side} the first teacher, which may be chance: the "
        f"95 % interval, {bounds}, holds 0."
    )


def _of_one_model(run: Run, scores: Scores) -> str:
    if not scores.of_models:
        return "The training is not finished, and nothing is measured yet."
    score = scores.of_models[0]
    state = "" if run.is_finished else "The training is not finished. "
    return (
        f"{state}The model has {_percent(score)} of the test images right; "
        "there is no other to compare with."
    )


def one_decimal(share: float) -> str:
    """A share in %, or a difference of shares in points: "4.3", "−0.8".

    Halves are rounded away from 0, as readers do.
    """
    exact = decimal.Decimal(repr(round(100 * share, 6)))
    rounded = exact.quantize(decimal.Decimal("0.1"), decimal.ROUND_HALF_UP)
    return f"{rounded}".replace("-0.0", "0.0").replace("-", "−")


def _percent(score: Score) -> str:
    text = f"{one_decimal(score.accuracy)} %"
    if score.interval is None:
        return text
    low, high = map(one_decimal, score.interval[1:])
    return f"{text} (95 % interval {low} to {high})"

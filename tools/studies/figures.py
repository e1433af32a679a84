"""How the arms of a study compare: means, deviations and intervals.

Pure functions of outcomes by seed. A seed chooses the labelled images, so that
runs of one seed differ in the arm alone: differences are paired by seed.
Intervals are Student's, of 95 %, over the seeds. Standard deviations are those
of samples, with n - 1 in the denominator. All is in % and percentage points.
"""

import dataclasses
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from scipy import special

from noisy_student.report import robustness
from tools.studies.outcomes import Generation, Outcome

_CONFIDENCE = 0.95
# What every generation has; the others are of robustness.
_OF_ALL = ("top_1_accuracy", "top_5_accuracy")

Outcomes = Mapping[int, Outcome]  # by seed


class Spread(NamedTuple):
    """A mean and its standard deviation, None of one value."""

    mean: float
    std: float | None


class Estimate(NamedTuple):
    """A mean and the bounds of its interval, None of one value."""

    mean: float
    low: float | None
    high: float | None


@dataclasses.dataclass(frozen=True)
class ArmFigures:
    """The models that the runs of an arm came to.

    Attributes:
        seeds: of the runs.
        top_1: of the models.
        over: difference to those of other arms, by their names, over the
            seeds that both have; None without such a seed.
        seconds: mean duration of a run.
    """

    seeds: tuple[int, ...]
    top_1: Spread
    over: Mapping[str, Estimate | None]
    seconds: float


@dataclasses.dataclass(frozen=True)
class GenerationFigures:
    """One generation of an arm.

    Attributes:
        number: of the generation; 0 is the first teacher.
        seeds: of the runs that have it.
        top_1: of its models.
        over_first: difference to the first teachers; None for themselves.
        over_previous: difference to the generation before, None likewise.
        label_accuracy: of the pseudo labels that it learned from; None where
            no run knows it.
        robustness: by name, what else was measured of its models, in %.
    """

    number: int
    seeds: tuple[int, ...]
    top_1: Spread
    over_first: Estimate | None
    over_previous: Estimate | None
    label_accuracy: Spread | None
    robustness: Mapping[str, Spread]


def spread(values: Iterable[float]) -> Spread:
    """The mean and the standard deviation of one value or more."""
    given = [*values]
    std = statistics.stdev(given) if len(given) > 1 else None
    return Spread(statistics.mean(given), std)


def estimate(values: Iterable[float]) -> Estimate:
    """The mean of one value or more, with its interval."""
    given = [*values]
    mean, std = spread(given)
    if std is None:
        return Estimate(mean, None, None)
    quantile = special.stdtrit(len(given) - 1, (1 + _CONFIDENCE) / 2)
    half = float(quantile) * std / math.sqrt(len(given))
    return Estimate(mean, mean - half, mean + half)


def difference(
    after: Mapping[int, float], before: Mapping[int, float]
) -> Estimate | None:
    """How much larger values are than others, paired by seed.

    Args:
        after: values by seed.
        before: others; seeds that only one of both has do not count.

    Returns:
        None where they have no seed in common.
    """
    both = [seed for seed in after if seed in before]
    if not both:
        return None
    return estimate(after[seed] - before[seed] for seed in both)


def of_arms(
    outcomes: Mapping[str, Outcomes], references: Sequence[str]
) -> dict[str, ArmFigures]:
    """Compares the models of every arm that has runs with those of some."""
    others = {name: _top_1(outcomes.get(name, {})) for name in references}
    return {
        arm: ArmFigures(
            tuple(runs),
            spread(_top_1(runs).values()),
            {
                name: difference(_top_1(runs), other)
                for name, other in others.items()
                if name != arm
            },
            statistics.mean(run.seconds for run in runs.values()),
        )
        for arm, runs in outcomes.items()
        if runs
    }


def of_generations(runs: Outcomes) -> list[GenerationFigures]:
    """Compares the generations of an arm; runs may have fewer than others."""
    most = max((len(run.generations) for run in runs.values()), default=0)
    rows = [_at(runs, number) for number in range(most)]
    tops = [{seed: row.top_1 for seed, row in each.items()} for each in rows]
    return [
        GenerationFigures(
            number,
            tuple(row),
            spread(tops[number].values()),
            difference(tops[number], tops[0]) if number else None,
            difference(tops[number], tops[number - 1]) if number else None,
            _label_accuracy([*row.values()]),
            _robustness([*row.values()]),
        )
        for number, row in enumerate(rows)
    ]


def _top_1(runs: Outcomes) -> dict[int, float]:
    return {seed: run.top_1 for seed, run in runs.items()}


def _at(runs: Outcomes, number: int) -> dict[int, Generation]:
    return {
        seed: run.generations[number]
        for seed, run in runs.items()
        if number < len(run.generations)
    }


def _label_accuracy(models: Sequence[Generation]) -> Spread | None:
    known = [model.label_accuracy for model in models]
    shares = [100 * share for share in known if share is not None]
    return spread(shares) if shares else None


def _robustness(models: Sequence[Generation]) -> dict[str, Spread]:
    names = dict.fromkeys(name for model in models for name in model.scores)
    return {
        name: spread(
            robustness.in_percent(name, model.scores[name])
            for model in models
            if name in model.scores
        )
        for name in names
        if name not in _OF_ALL
    }

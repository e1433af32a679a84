"""How the arms of a study compare: figures of their accuracies, and a table.

Pure functions; `runs.py` makes the accuracies. Every standard deviation is
that of a sample, with n - 1 in the denominator.
"""

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence

_MeanAndStd = tuple[float | None, float | None]
# Columns of the table.
_OF_TEACHERS = ("first teacher, %", "student gain")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one run came to.

    Attributes:
        generations: top-1 on the test images in %, of the first teacher and
            of each student; training alone has one generation.
        seconds: of all generations together.
    """

    generations: tuple[float, ...]
    seconds: float

    @property
    def top_1(self) -> float:
        """Top-1 of the last model in %."""
        return self.generations[-1]


@dataclasses.dataclass(frozen=True)
class Figures:
    """One arm over seeds, in % and percentage points.

    Attributes:
        mean: mean top-1 of the last models.
        std: its standard deviation; None where there is one seed.
        gain: mean difference to the baseline; None for the baseline itself.
        standard_error: of the gain, paired by seed; None for the baseline
            and where there is one seed.
        teacher: mean top-1 of the first teachers; None where the runs have
            one generation.
        teacher_std: its standard deviation, None as above.
        student_gain: mean difference between last student and first teacher,
            None as `teacher`.
        student_gain_std: its standard deviation, paired by seed, None as
            above.
        seconds: mean duration of a run.
    """

    mean: float
    std: float | None
    gain: float | None
    standard_error: float | None
    teacher: float | None
    teacher_std: float | None
    student_gain: float | None
    student_gain_std: float | None
    seconds: float

    @property
    def ratio(self) -> float | None:
        """Gain over its standard error; None where there is no such number."""
        if self.gain is None or not self.standard_error:
            return None
        return self.gain / self.standard_error


def summarize(
    outcomes: Mapping[str, Sequence[Outcome]], baseline: str
) -> dict[str, Figures]:
    """Compares every arm with the baseline.

    Args:
        outcomes: the runs of each arm, one per seed, in the same order of
            seeds. A seed chooses the labelled images, so that runs of one
            seed differ in the arm alone.
        baseline: the arm that the others are compared with.
    """
    reference = [run.top_1 for run in outcomes[baseline]]
    return {
        arm: _figures(runs, None if arm == baseline else reference)
        for arm, runs in outcomes.items()
    }


def _figures(
    runs: Sequence[Outcome], reference: Sequence[float] | None
) -> Figures:
    top_1 = [run.top_1 for run in runs]
    gain = error = None
    if reference is not None:
        gain, error = _mean_and_std(_differences(reference, top_1))
        error = None if error is None else error / math.sqrt(len(runs))
    teacher: _MeanAndStd = (None, None)
    student: _MeanAndStd = (None, None)
    if all(len(run.generations) > 1 for run in runs):
        first = [run.generations[0] for run in runs]
        teacher = _mean_and_std(first)
        student = _mean_and_std(_differences(first, top_1))
    seconds = statistics.mean(run.seconds for run in runs)
    return Figures(
        *_mean_and_std(top_1), gain, error, *teacher, *student, seconds
    )


def _differences(
    before: Sequence[float], after: Sequence[float]
) -> list[float]:
    return [b - a for a, b in zip(before, after, strict=True)]


def _mean_and_std(values: Sequence[float]) -> tuple[float, float | None]:
    std = statistics.stdev(values) if len(values) > 1 else None
    return statistics.mean(values), std


def all_beat(figures: Mapping[str, Figures], baseline: str) -> bool | None:
    """Whether each gain is above its standard error; None: cannot be said."""
    rivals = [row for arm, row in figures.items() if arm != baseline]
    beats = []
    for row in rivals:
        if row.gain is None or row.standard_error is None:
            return None
        beats.append(row.gain > row.standard_error)
    return all(beats) if beats else None


def entries(figures: Mapping[str, Figures], digits: int) -> dict[str, dict]:
    """Rounds the figures for JSON: by arm, by name."""
    return {
        arm: {
            name: value if value is None else round(value, digits)
            for name, value in dataclasses.asdict(row).items()
        }
        for arm, row in figures.items()
    }


def format_table(figures: Mapping[str, Figures], num_seeds: int) -> str:
    """One line per arm; - where there is no such number.

    After ± is a standard deviation, and that of the gain over the baseline is
    its standard error. What is of teachers is left out where no arm has any.
    """
    header = ("arm", "seeds", "top-1, %", "gain, points", "gain/error")
    rows: list[tuple[str, ...]] = [(*header, *_OF_TEACHERS, "seconds")]
    for arm, row in figures.items():
        cells = [arm, str(num_seeds), _pair(row.mean, row.std)]
        cells += [_pair(row.gain, row.standard_error, "+")]
        cells += [_number(row.ratio, ".1f")]
        cells += [_pair(row.teacher, row.teacher_std)]
        cells += [_pair(row.student_gain, row.student_gain_std, "+")]
        rows.append((*cells, f"{row.seconds:.0f}"))
    columns = [
        column
        for column in zip(*rows, strict=True)
        if column[0] not in _OF_TEACHERS or {*column[1:]} != {"-"}
    ]
    widths = [max(map(len, column)) for column in columns]
    return "\n".join(
        "  ".join(map(str.rjust, line, widths))
        for line in zip(*columns, strict=True)
    )


def _pair(value: float | None, error: float | None, sign: str = "") -> str:
    if value is None:
        return "-"
    return f"{value:{sign}.2f} ± {_number(error)}"


def _number(value: float | None, form: str = ".2f") -> str:
    return "-" if value is None else f"{value:{form}}"

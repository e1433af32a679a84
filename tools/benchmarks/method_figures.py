"""How methods compare over seeds: figures of their accuracies, and a table.

Pure functions; `method_runs.py` makes the accuracies.
"""

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence

BASELINE = "supervised"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Of one run: top-1 on the test images in %, and the time it took."""

    top_1: float
    seconds: float


@dataclasses.dataclass(frozen=True)
class Figures:
    """Of one method over seeds, in % and percentage points.

    Attributes:
        mean: of top-1.
        std: sample standard deviation of top-1; None where there is one seed.
        gain: mean difference to the baseline; None for the baseline itself.
        standard_error: of the gain, paired by seed; None for the baseline
            and where there is one seed.
        seconds: mean of a run.
    """

    mean: float
    std: float | None
    gain: float | None
    standard_error: float | None
    seconds: float

    @property
    def ratio(self) -> float | None:
        """Gain over its standard error; None where there is no such number."""
        if self.gain is None or not self.standard_error:
            return None
        return self.gain / self.standard_error


def summarize(outcomes: Mapping[str, Sequence[Outcome]]) -> dict[str, Figures]:
    """Compares every method with the baseline.

    Args:
        outcomes: by method, `BASELINE` among them; one a seed, all methods'
            in the same order of seeds. A seed chooses the labelled images, so
            that runs of one seed differ in the method alone.
    """
    baseline = [outcome.top_1 for outcome in outcomes[BASELINE]]
    figures = {}
    for method, runs in outcomes.items():
        top_1 = [run.top_1 for run in runs]
        gain, error = None, None
        if method != BASELINE:
            gain, error = paired_gain(baseline, top_1)
        figures[method] = Figures(
            mean=statistics.mean(top_1),
            std=_std(top_1),
            gain=gain,
            standard_error=error,
            seconds=statistics.mean(run.seconds for run in runs),
        )
    return figures


def paired_gain(
    before: Sequence[float], after: Sequence[float]
) -> tuple[float, float | None]:
    """Mean of the pairs' differences, and its standard error (one: None)."""
    differences = [b - a for a, b in zip(before, after, strict=True)]
    std = _std(differences)
    error = None if std is None else std / math.sqrt(len(differences))
    return statistics.mean(differences), error


def all_beat_baseline(figures: Mapping[str, Figures]) -> bool | None:
    """Whether each gain is above its standard error; None: cannot be said."""
    rivals = [row for method, row in figures.items() if method != BASELINE]
    beats = []
    for row in rivals:
        if row.gain is None or row.standard_error is None:
            return None
        beats.append(row.gain > row.standard_error)
    return all(beats) if beats else None


def entries(figures: Mapping[str, Figures], digits: int) -> dict[str, dict]:
    """Rounded, for JSON: by method, by name."""
    return {
        method: {
            name: value if value is None else round(value, digits)
            for name, value in dataclasses.asdict(row).items()
        }
        for method, row in figures.items()
    }


def format_table(figures: Mapping[str, Figures], num_seeds: int) -> str:
    """A line each method; - where there is no such number."""
    rows = [
        ("method", "seeds", "top-1, %", "gain, points", "gain/error", "seconds")
    ]
    rows += [
        (
            method,
            str(num_seeds),
            f"{row.mean:.2f} ± {_number(row.std)}",
            "-"
            if row.gain is None
            else f"{row.gain:+.2f} ± {_number(row.standard_error)}",
            _number(row.ratio, 1),
            f"{row.seconds:.0f}",
        )
        for method, row in figures.items()
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) for cell, width in zip(row, widths, strict=True)
        )
        for row in rows
    )


def _std(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"

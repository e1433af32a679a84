"""Tables of a study, and its line of JSON: all that is printed of results."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from noisy_student.errors import counted
from noisy_student.report import tables
from tools.studies import figures
from tools.studies.figures import (
    ArmFigures,
    Estimate,
    GenerationFigures,
    Outcomes,
    Spread,
)
from tools.studies.results import Results

_Row = TypeVar("_Row")
_Column = tuple[str, Callable[[_Row], str]]  # a title, and each row's cell

_INTERVAL = "95 % interval"
_DIGITS = 3  # after the point, in JSON


def show(results: Results) -> str:
    """All that is to be said of results; the last line is JSON.

    After ± is a standard deviation over seeds, and - where there is no such
    number.
    """
    outcomes = results.outcomes()
    references = [results.base_name, *results.compared_with]
    arms = figures.of_arms(outcomes, references)
    generations = {
        arm: [
            row
            for row in figures.of_generations(runs)
            if not results.generations or row.number in results.generations
        ]
        for arm, runs in outcomes.items()
        if any(len(run.generations) > 1 for run in runs.values())
    }
    parts = [_arms_table(arms, references)]
    if any(generations.values()):
        parts += ["", _generations_table(generations), ""]
    parts += _missing(outcomes)
    parts += _machines(results)
    return "\n".join([*parts, _json(arms, generations)])


def _arms_table(
    arms: Mapping[str, ArmFigures], references: Sequence[str]
) -> str:
    columns: list[_Column[ArmFigures]] = [
        ("seeds", lambda row: str(len(row.seeds))),
        ("top-1, %", lambda row: _spread(row.top_1)),
    ]
    for name in references:
        columns += _differences(f"over {name}", partial(_over, name))
    columns += [("seconds", lambda row: f"{row.seconds:.0f}")]
    return _table(columns, arms.items())


def _generations_table(
    generations: Mapping[str, list[GenerationFigures]],
) -> str:
    """Has the columns in which some row says what no other column does."""
    every = [(arm, row) for arm, rows in generations.items() for row in rows]
    rows = [row for _, row in every]
    columns: list[_Column[GenerationFigures]] = [
        ("generation", lambda row: str(row.number)),
        ("seeds", lambda row: str(len(row.seeds))),
        ("top-1, %", lambda row: _spread(row.top_1)),
    ]
    columns += _differences("over first teacher", lambda row: row.over_first)
    if any(row.number > 1 for row in rows):
        columns += _differences(
            "over the one before", lambda row: row.over_previous
        )
    if any(row.label_accuracy for row in rows):
        columns += [
            ("label accuracy, %", lambda row: _spread(row.label_accuracy))
        ]
    for name in dict.fromkeys(name for row in rows for name in row.robustness):
        columns += [(_title(name), partial(_robustness, name))]
    return _table(columns, every)


def _table(
    columns: Sequence[_Column[_Row]], rows: Iterable[tuple[str, _Row]]
) -> str:
    """A line for each row, after the name of its arm."""
    lines = [["arm", *[title for title, _ in columns]]]
    lines += [[arm, *[cell(row) for _, cell in columns]] for arm, row in rows]
    return tables.aligned(lines)


def _differences(
    title: str, found: Callable[[_Row], Estimate | None]
) -> list[_Column[_Row]]:
    """The columns of a difference and of its interval."""
    return [
        (title, lambda row: _difference(found(row))),
        (_INTERVAL, lambda row: _interval(found(row))),
    ]


def _over(name: str, row: ArmFigures) -> Estimate | None:
    return row.over.get(name)


def _robustness(name: str, row: GenerationFigures) -> str:
    return _spread(row.robustness.get(name))


def _missing(outcomes: Mapping[str, Outcomes]) -> Iterable[str]:
    """Says in a line which runs would make the arms alike in seeds."""
    seeds = sorted({seed for runs in outcomes.values() for seed in runs})
    gaps = {
        arm: [seed for seed in seeds if seed not in runs]
        for arm, runs in outcomes.items()
    }
    if any(gaps.values()):
        yield f"Not run: {_arms_and_seeds(gaps)}."


def _machines(results: Results) -> Iterable[str]:
    """A line for each; where there are several, it says whose they were."""
    machines = results.machines()
    for machine, runs in machines.items():
        number = sum(map(len, runs.values()))
        whose = f", {_arms_and_seeds(runs)}" if len(machines) > 1 else ""
        yield f"{counted(number, 'run')}{whose}: {machine}"


def _arms_and_seeds(seeds: Mapping[str, Sequence[int]]) -> str:
    """`base (seed 0, 1), loop (seed 1)`, without arms of no seed."""
    return ", ".join(
        f"{arm} (seed {', '.join(map(str, its))})"
        for arm, its in seeds.items()
        if its
    )


def _json(
    arms: Mapping[str, ArmFigures],
    generations: Mapping[str, list[GenerationFigures]],
) -> str:
    entries: dict[str, dict[str, Any]] = {}
    for name, arm in arms.items():
        entries[name] = {
            "seeds": arm.seeds,
            "top_1": _rounded(arm.top_1),
            "over": {
                other: _rounded(found) for other, found in arm.over.items()
            },
            "seconds": round(arm.seconds, _DIGITS),
        }
        if name in generations:
            entries[name]["generations"] = [
                {
                    "generation": row.number,
                    "seeds": row.seeds,
                    "top_1": _rounded(row.top_1),
                    "over_first": _rounded(row.over_first),
                    "over_previous": _rounded(row.over_previous),
                    "label_accuracy": _rounded(row.label_accuracy),
                }
                | {
                    name: _rounded(score)
                    for name, score in row.robustness.items()
                }
                for row in generations[name]
            ]
    return json.dumps(entries)


def _rounded(
    numbers: Spread | Estimate | None,
) -> dict[str, float | None] | None:
    if numbers is None:
        return None
    return {
        name: value if value is None else round(value, _DIGITS)
        for name, value in numbers._asdict().items()
    }


def _spread(found: Spread | None) -> str:
    if found is None:
        return "-"
    std = "-" if found.std is None else f"{found.std:.2f}"
    return f"{found.mean:.2f} ± {std}"


def _difference(found: Estimate | None) -> str:
    return "-" if found is None else f"{found.mean:+.2f}"


def _interval(found: Estimate | None) -> str:
    if found is None or found.low is None or found.high is None:
        return "-"
    return f"{found.low:+.2f} to {found.high:+.2f}"


def _title(name: str) -> str:
    """`fgsm 4, %` for `fgsm_4_accuracy`."""
    return f"{name.removesuffix('_accuracy').replace('_', ' ')}, %"

"""What `--mode=eval`, `--mode=robustness` and tools/audit.py left of a run.

What was not measured is None or empty; what is there and cannot be read is an
error that names the file.
"""

import csv
import dataclasses
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from etils import epath

from noisy_student.errors import InputError
from noisy_student.files import remote, writing
from noisy_student.report.audit import AUDIT_FILE


class Confusion(NamedTuple):
    """The confusion matrix of a model on the images of a split.

    Attributes:
        names: of the classes in order.
        counts: of each true class the images by their prediction.
    """

    names: list[str]
    counts: list[list[int]]

    @classmethod
    def read(cls, path: epath.Path) -> "Confusion":
        """Reads `confusion.csv`.

        Raises:
            InputError: it is no square of numbers.
        """
        header, *rows = _csv(path)
        try:
            counts = [[int(cell) for cell in row[1:]] for row in rows]
        except ValueError as error:
            raise damaged(path, error) from error
        if not rows or len(rows) != len(header) - 1:
            raise damaged(path, "it is not square")
        return cls(header[1:], counts)


@dataclasses.dataclass(frozen=True)
class Audit:
    """What an audit of a student's pseudo labels left.

    Attributes:
        summary: the numbers of `audit.json`.
        disputed: the lines of `disputed.csv`, the most disputed first.
        directory: where the files in these lines are.
        calibration: the teacher's bins on validation images, if any.
    """

    summary: Mapping[str, Any]
    disputed: Sequence[Mapping[str, str]]
    directory: epath.Path
    calibration: Sequence[Mapping[str, float]]


def confusions(
    directory: epath.Path, evaluation: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Confusion]]:
    """Reads the confusion matrices of all models and splits.

    Args:
        directory: `evaluation/` of a run.
        evaluation: what `evaluation.json` holds.
    """
    found: dict[str, dict[str, Confusion]] = {}
    for model, by_split in evaluation.items():
        own = directory / model if len(evaluation) > 1 else directory
        for split in by_split:
            path = own / split / "confusion.csv"
            if path.exists():
                found.setdefault(model, {})[split] = Confusion.read(path)
    return found


def suites(
    directory: epath.Path, models: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Reads what each suite measured of each model.

    Args:
        directory: `robustness/` of a run.
        models: by their names.
    """
    return {
        model: {
            path.stem: read_json(path)["results"]
            for path in remote.glob(directory / model, "*.json")
        }
        for model in models
    }


def newest_audit(directory: epath.Path) -> Audit | None:
    """The audit of the newest student."""
    found = remote.glob(directory, f"generation_*/{AUDIT_FILE}")
    if not found:
        return None
    own = found[-1].parent
    calibration = [
        {name: float(value) for name, value in row.items()}
        for row in _records(own / "calibration.csv")
    ]
    disputed = _records(own / "disputed.csv")
    return Audit(read_json(found[-1]), disputed, own, calibration)


def _records(path: epath.Path) -> list[dict[str, str]]:
    """The lines of a CSV file by the names of their columns; [] without it."""
    if not path.exists():
        return []
    header, *rows = _csv(path)
    return [dict(zip(header, row, strict=True)) for row in rows]


def _csv(path: epath.Path) -> list[list[str]]:
    """All lines of a CSV file.

    Raises:
        InputError: it is empty, or its lines are of unequal lengths.
    """
    text = path.read_bytes().decode()
    rows = list(csv.reader(io.StringIO(text, newline="")))
    if len({len(row) for row in rows}) != 1:
        raise damaged(path, "it is no table")
    return rows


def read_json(path: epath.Path) -> dict[str, Any]:
    """What a JSON file holds; {} without it.

    Raises:
        InputError: it is damaged.
    """
    if not path.exists():
        return {}
    try:
        found = writing.read_json(path)
    except ValueError as error:
        raise damaged(path, error) from error
    if not isinstance(found, dict):
        raise damaged(path, "it is no object")
    return found


def damaged(path: epath.Path, reason: object) -> InputError:
    """The error for a file that cannot be read."""
    return InputError(
        f"{path} is damaged ({reason}). Restore it, or remove it: the report "
        "then leaves out what it says."
    )

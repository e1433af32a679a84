"""What an audit of pseudo labels leaves: tables as CSV, `audit.json`, a plot.

The files are `per_class.csv`, `confidence.csv` and `audit.json`; where there
are validation images, also `calibration.csv` and `calibration.png`.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from etils import epath

from noisy_student.evaluation import Answers, scores
from noisy_student.evaluation.label_quality import (
    EDGES,
    Counts,
    StudentAnswers,
    Tally,
    TeacherLabels,
    ratio,
)
from noisy_student.files import writing
from noisy_student.report import plots, tables

AUDIT_FILE = "audit.json"
# Columns of both tables.
_COUNTED = (
    "predicted",
    "predicted_known",
    "predicted_accuracy",
    "kept",
    "kept_known",
    "kept_accuracy",
)
_MOST_ROWS = 10  # classes in the table that is printed


@dataclasses.dataclass(frozen=True)
class Audit:
    """What an audit found out about the pseudo labels of one student.

    Attributes:
        generation: the student's number.
        teacher: the generation whose model labelled.
        class_names: names of the classes in order.
        undecodable: images that could not be decoded, and have no label.
        predicted: all other unlabelled images.
        kept: those that were kept, each counted once.
        records_per_class: records of the kept images, int64 (classes,).
        agreed_per_class: kept images for which the student's prediction is
            the pseudo label, int64 (classes,).
        calibration: the teacher's answers on validation images; None where
            there are none.
    """

    generation: int
    teacher: int
    class_names: Sequence[str]
    undecodable: int
    predicted: Tally
    kept: Tally
    records_per_class: np.ndarray
    agreed_per_class: np.ndarray
    calibration: Answers | None

    @classmethod
    def of(
        cls,
        kept: TeacherLabels,
        answers: StudentAnswers,
        class_names: Sequence[str],
        **others: Any,
    ) -> "Audit":
        """Counts the kept images.

        Args:
            kept: the kept images.
            answers: the student's for them.
            class_names: names of the classes in order.
            **others: the attributes that are not counted here.
        """
        num_classes = len(class_names)
        agreed = kept.labels[answers.predictions == kept.labels]
        records = np.zeros(num_classes, np.int64)
        np.add.at(records, kept.labels, kept.copies)
        return cls(
            class_names=class_names,
            kept=Tally.of(kept, num_classes),
            records_per_class=records,
            agreed_per_class=np.bincount(agreed, minlength=num_classes),
            **others,
        )

    @property
    def agreement(self) -> np.ndarray:
        """Share of kept images that the student agrees on, float (classes,).

        NaN for classes without any.
        """
        return ratio(self.agreed_per_class, self.kept.by_class.images)

    @property
    def agreement_of_all(self) -> float:
        """The same for all classes together."""
        kept = self.kept.by_class.images.sum(keepdims=True)
        return ratio(self.agreed_per_class.sum(keepdims=True), kept)[0]

    def summary(self) -> dict[str, Any]:
        """Returns the numbers of all classes together, as JSON has them.

        `predicted`, `undecodable`, `kept` and `records` are numbers of
        images; the others are in [0, 1], and None where nothing is known.
        """
        predicted, kept = (
            self.predicted.by_class.all_groups(),
            self.kept.by_class,
        )
        error = None
        if self.calibration is not None:
            table = scores.reliability(self.calibration)
            error = scores.calibration_error(table)
        return {
            "generation": self.generation,
            "teacher": self.teacher,
            "predicted": int(predicted.images[0]),
            "undecodable": self.undecodable,
            "predicted_accuracy": _number(predicted.accuracy[0]),
            "kept": int(kept.images.sum()),
            "records": int(self.records_per_class.sum()),
            "kept_accuracy": _number(kept.all_groups().accuracy[0]),
            "student_agreement": _number(self.agreement_of_all),
            "teacher_calibration_error": error,
        }


def save(directory: epath.Path, audit: Audit) -> None:
    """Writes the files, in the place of earlier ones.

    Args:
        directory: gets the files.
        audit: what was found out.

    Raises:
        InputError: a file cannot be written.
    """
    predicted, kept = audit.predicted, audit.kept
    tables.save_csv(
        directory / "per_class.csv",
        ["class", *_COUNTED, "records", "student_agreement"],
        _rows(
            audit.class_names,
            *_columns(predicted.by_class),
            *_columns(kept.by_class),
            audit.records_per_class,
            audit.agreement,
        ),
    )
    tables.save_csv(
        directory / "confidence.csv",
        ["low", "high", *_COUNTED],
        _rows(
            EDGES[:-1],
            EDGES[1:],
            *_columns(predicted.by_confidence),
            *_columns(kept.by_confidence),
        ),
    )
    if audit.calibration is not None:
        name = f"generation {audit.teacher}, validation images"
        _save_calibration(directory, audit.calibration, name)
    writing.write_json(directory / AUDIT_FILE, audit.summary())


def _save_calibration(
    directory: epath.Path, answers: Answers, name: str
) -> None:
    bins = scores.reliability(answers)
    header = list(scores.Bin._fields)
    tables.save_csv(directory / "calibration.csv", header, bins)
    rows = [row._asdict() for row in bins]
    plots.reliability_diagram({name: rows}, directory / "calibration.png")


def format_audit(audit: Audit) -> str:
    """A table of the classes that the student disputes most, and of all."""
    header = ("class", "predicted", "accuracy", "kept", "accuracy", "records")
    rows: list[tuple[str, ...]] = [(*header, "student agrees")]
    disputed = np.argsort(audit.agreement, kind="stable")  # NaN come last
    rows += [
        _row(
            audit.class_names[place],
            audit.predicted.by_class.at(place),
            audit.kept.by_class.at(place),
            audit.records_per_class[place],
            audit.agreement[place],
        )
        for place in disputed[:_MOST_ROWS]
    ]
    rows.append(
        _row(
            "all",
            audit.predicted.by_class.all_groups(),
            audit.kept.by_class.all_groups(),
            audit.records_per_class.sum(),
            audit.agreement_of_all,
        )
    )
    return tables.aligned(rows)


def _row(
    name: str, predicted: Counts, kept: Counts, records: int, agreement: float
) -> tuple[str, ...]:
    """A line of the table; counts are of one group."""
    cells = [name]
    for counts in (predicted, kept):
        accuracy = _number(counts.accuracy[0])
        cells += [str(counts.images[0]), tables.percent(accuracy)]
    return (*cells, str(records), tables.percent(_number(agreement)))


def _number(value: float) -> float | None:
    """A number as JSON has it: None for NaN."""
    return None if np.isnan(value) else float(value)


def _columns(counts: Counts) -> tuple[np.ndarray, ...]:
    return counts.images, counts.known, counts.accuracy


def _rows(*columns: Sequence | np.ndarray) -> list[tuple]:
    lists = (
        column.tolist() if isinstance(column, np.ndarray) else column
        for column in columns
    )
    return list(zip(*lists, strict=True))

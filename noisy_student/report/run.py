"""What a run left, read into plain objects, finished or not.

Nothing is measured here. What a run does not have is None or empty; what is
there and cannot be read is an error that names the file.
"""

import csv
import dataclasses
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from noisy_student import report
from noisy_student.config import ExperimentConfig
from noisy_student.errors import InputError
from noisy_student.files import run_directory, writing
from noisy_student.report import curves
from noisy_student.report.audit import AUDIT_FILE
from noisy_student.report.evaluation import EVALUATION_FILE
from noisy_student.report.robustness import ROBUSTNESS_FILE


@dataclasses.dataclass(frozen=True)
class Training:
    """One training, finished or not.

    Attributes:
        name: for people, such as "student 1".
        directory: its run directory.
        evaluations: the lines of its `metrics.jsonl`.
        curves: of each scalar in its TensorBoard events the steps and values.
        is_finished: whether its model is there.
    """

    name: str
    directory: pathlib.Path
    evaluations: Sequence[Mapping[str, Any]]
    curves: Mapping[str, curves.Curve]
    is_finished: bool

    @classmethod
    def read(cls, name: str, directory: pathlib.Path) -> "Training":
        """Reads what it left so far."""
        try:
            evaluations = run_directory.read_metrics(directory)
        except ValueError as error:
            path = directory / run_directory.METRICS_FILE
            raise _damaged(path, error) from error
        return cls(
            name,
            directory,
            evaluations,
            curves.read(directory),
            (directory / run_directory.MODEL_FILE).exists(),
        )


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
    directory: pathlib.Path
    calibration: Sequence[Mapping[str, float]]


@dataclasses.dataclass(frozen=True)
class Run:
    """A run of `--mode=self_train` or `--mode=train`.

    Attributes:
        directory: the run directory.
        config: its settings.
        generations: the rows of `results.json`: the finished generations.
        trainings: all trainings that have begun.
        class_names: names of the classes in order; None if unknown.
        evaluation: `evaluation.json`: by model and split the scores.
        confusions: by model and split the rows of `confusion.csv`.
        robustness: `robustness.json`: by model and suite the scores.
        suites: by model and suite what `--mode=robustness` measured.
        audit: of the newest student that was audited.
    """

    directory: pathlib.Path
    config: ExperimentConfig
    generations: Sequence[Mapping[str, Any]]
    trainings: Sequence[Training]
    class_names: Sequence[str] | None
    evaluation: Mapping[str, Mapping[str, Any]]
    confusions: Mapping[str, Mapping[str, list[list[str]]]]
    robustness: Mapping[str, Mapping[str, Any]]
    suites: Mapping[str, Mapping[str, Any]]
    audit: Audit | None

    @classmethod
    def read(cls, directory: pathlib.Path) -> "Run":
        """Reads a run.

        Raises:
            ValueError: there is no run, or one of another mode.
            InputError: a file is damaged.
        """
        config = _read_config(directory)
        evaluation = _json(directory / "evaluation" / EVALUATION_FILE)
        robustness = _json(directory / "robustness" / ROBUSTNESS_FILE)
        return cls(
            directory,
            config,
            report.load_results(config)["generations"],
            list(_trainings(directory, config.mode)),
            _class_names(directory),
            evaluation,
            _confusions(directory / "evaluation", evaluation),
            {name: found["scores"] for name, found in robustness.items()},
            _suites(directory / "robustness", robustness),
            _audit(directory / "audit"),
        )

    @property
    def is_loop(self) -> bool:
        """Whether it is one of self-training."""
        return self.config.mode == "self_train"

    @property
    def is_finished(self) -> bool:
        """Whether it has come to its end."""
        if self.is_loop:
            wanted = self.config.self_training.num_iterations + 1
            return len(self.generations) >= wanted
        return bool(self.trainings) and self.trainings[0].is_finished


def name_of(generation: int) -> str:
    """What people call a generation."""
    return f"student {generation}" if generation else "first teacher"


def model_name(key: str) -> str:
    """What people call a model of an evaluation, such as `generation_01`."""
    prefix, _, number = key.partition("_")
    is_generation = prefix == "generation" and number.isdigit()
    return name_of(int(number)) if is_generation else key


def _read_config(directory: pathlib.Path) -> ExperimentConfig:
    """The settings, with the directory where the run is now."""
    try:
        config = run_directory.read_config(directory)
    except (KeyError, TypeError, AttributeError) as error:
        raise _damaged(directory / run_directory.CONFIG_FILE, error) from error
    if config.mode not in ("self_train", "train"):
        raise ValueError(
            f"{directory} is of mode={config.mode}; name the model_dir of "
            "mode=self_train or mode=train."
        )
    return dataclasses.replace(config, model_dir=str(directory))


def _trainings(directory: pathlib.Path, mode: str) -> Iterator[Training]:
    if mode == "train":
        yield Training.read("model", directory)
        return
    number = 0
    while True:
        own = run_directory.generation_directory(directory, number)
        if not own.is_dir():
            return
        name = name_of(number)
        yield Training.read(name, own)
        tuning = run_directory.fine_tuning_directory(own)
        if tuning.is_dir():
            yield Training.read(f"fine-tuning of {name}", tuning)
        number += 1


def _class_names(directory: pathlib.Path) -> list[str] | None:
    path = directory / run_directory.CLASSES_FILE
    return path.read_text().splitlines() if path.exists() else None


def _confusions(
    directory: pathlib.Path, evaluation: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, list[list[str]]]]:
    found: dict[str, dict[str, list[list[str]]]] = {}
    for model, by_split in evaluation.items():
        own = directory / model if len(evaluation) > 1 else directory
        for split in by_split:
            path = own / split / "confusion.csv"
            if path.exists():
                found.setdefault(model, {})[split] = _csv(path)
    return found


def _suites(
    directory: pathlib.Path, models: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    return {
        model: {
            path.stem: _json(path)["results"]
            for path in sorted((directory / model).glob("*.json"))
        }
        for model in models
    }


def _audit(directory: pathlib.Path) -> Audit | None:
    """The audit of the newest student."""
    found = sorted(directory.glob(f"generation_*/{AUDIT_FILE}"))
    if not found:
        return None
    own = found[-1].parent
    calibration = [
        {name: float(value) for name, value in row.items()}
        for row in _records(own / "calibration.csv")
    ]
    disputed = _records(own / "disputed.csv")
    return Audit(_json(found[-1]), disputed, own, calibration)


def _records(path: pathlib.Path) -> list[dict[str, str]]:
    """The lines of a CSV file by the names of their columns; [] without it."""
    if not path.exists():
        return []
    header, *rows = _csv(path)
    return [dict(zip(header, row, strict=True)) for row in rows]


def _csv(path: pathlib.Path) -> list[list[str]]:
    """All lines of a CSV file.

    Raises:
        InputError: it is empty, or its lines are of unequal lengths.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    if len({len(row) for row in rows}) != 1:
        raise _damaged(path, "it is no table")
    return rows


def _json(path: pathlib.Path) -> dict[str, Any]:
    """What a JSON file holds; {} without it.

    Raises:
        InputError: it is damaged.
    """
    if not path.exists():
        return {}
    try:
        found = writing.read_json(path)
    except ValueError as error:
        raise _damaged(path, error) from error
    if not isinstance(found, dict):
        raise _damaged(path, "it is no object")
    return found


def _damaged(path: pathlib.Path, reason: object) -> InputError:
    return InputError(
        f"{path} is damaged ({reason}). Restore it, or remove it: the report "
        "then leaves out what it says."
    )

"""What a run left, read into plain objects, finished or not.

Nothing is measured here. What a run does not have is None or empty; what is
there and cannot be read is an error that names the file.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from etils import epath

from noisy_student import report
from noisy_student.config import ExperimentConfig
from noisy_student.errors import InputError
from noisy_student.files import metrics_file, run_directory
from noisy_student.report import curves, measured
from noisy_student.report.evaluation import EVALUATION_FILE
from noisy_student.report.robustness import ROBUSTNESS_FILE


@dataclasses.dataclass(frozen=True)
class Training:
    """One training, finished or not.

    Attributes:
        name: for people, such as "student 1".
        directory: its run directory.
        evaluations: the lines of its `metrics.jsonl` on test images.
        validations: those on validation images.
        curves: of each scalar in its TensorBoard events the steps and values.
        is_finished: whether its model is there.
    """

    name: str
    directory: epath.Path
    evaluations: Sequence[Mapping[str, Any]]
    validations: Sequence[Mapping[str, Any]]
    curves: Mapping[str, curves.Curve]
    is_finished: bool

    @classmethod
    def read(cls, name: str, directory: epath.Path) -> "Training":
        """Reads what it left so far."""
        try:
            lines = metrics_file.read(directory)
        except ValueError as error:
            path = directory / run_directory.METRICS_FILE
            raise measured.damaged(path, error) from error
        return cls(
            name,
            directory,
            [line for line in lines if line.get("split") != "validation"],
            [line for line in lines if line.get("split") == "validation"],
            curves.read(directory),
            (directory / run_directory.MODEL_FILE).exists(),
        )


@dataclasses.dataclass(frozen=True)
class Run:
    """A run of `--mode=self_train` or `--mode=train`.

    Attributes:
        directory: the run directory.
        config: its settings.
        generations: the rows of `results.json`: the finished generations.
        chosen: the one whose model is the run's; None before there is one.
        trainings: all trainings that have begun.
        class_names: names of the classes in order; None if unknown.
        evaluation: `evaluation.json`: by model and split the scores.
        confusions: by model and split what `confusion.csv` holds.
        robustness: `robustness.json`: by model and suite the scores.
        suites: by model and suite what `--mode=robustness` measured.
        audit: of the newest student that was audited.
    """

    directory: epath.Path
    config: ExperimentConfig
    generations: Sequence[Mapping[str, Any]]
    chosen: int | None
    trainings: Sequence[Training]
    class_names: Sequence[str] | None
    evaluation: Mapping[str, Mapping[str, Any]]
    confusions: Mapping[str, Mapping[str, measured.Confusion]]
    robustness: Mapping[str, Mapping[str, Any]]
    suites: Mapping[str, Mapping[str, Any]]
    audit: measured.Audit | None

    @classmethod
    def read(cls, directory: epath.Path) -> "Run":
        """Reads a run.

        Raises:
            ValueError: there is no run, or one of another mode.
            InputError: a file is damaged.
        """
        config = _read_config(directory)
        results = report.load_results(config)
        evaluated, disturbed = (
            directory / "evaluation",
            directory / "robustness",
        )
        evaluation = measured.read_json(evaluated / EVALUATION_FILE)
        robustness = measured.read_json(disturbed / ROBUSTNESS_FILE)
        return cls(
            directory,
            config,
            results["generations"],
            results.get("chosen_generation"),
            list(_trainings(directory, config.mode)),
            _class_names(directory),
            evaluation,
            measured.confusions(evaluated, evaluation),
            {name: found["scores"] for name, found in robustness.items()},
            measured.suites(disturbed, robustness),
            measured.newest_audit(directory / "audit"),
        )

    @property
    def is_loop(self) -> bool:
        """Whether it is one of self-training."""
        return self.config.mode == "self_train"

    @property
    def is_finished(self) -> bool:
        """Whether it has come to its end."""
        if self.is_loop:
            return report.is_finished(self.config)
        return bool(self.trainings) and self.trainings[0].is_finished


def name_of(generation: int) -> str:
    """What people call a generation."""
    return f"student {generation}" if generation else "first teacher"


def model_name(key: str) -> str:
    """What people call a model of an evaluation, such as `generation_01`."""
    prefix, _, number = key.partition("_")
    is_generation = prefix == "generation" and number.isdigit()
    return name_of(int(number)) if is_generation else key


def _read_config(directory: epath.Path) -> ExperimentConfig:
    """The settings, with the directory where the run is now."""
    try:
        config = run_directory.read_config(directory)
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        path = directory / run_directory.CONFIG_FILE
        raise InputError(
            f"{path} is damaged ({error}); restore it: without the settings "
            "nothing can be told of the run."
        ) from error
    if config.mode not in ("self_train", "train"):
        raise ValueError(
            f"{directory} is of mode={config.mode}; name the model_dir of "
            "mode=self_train or mode=train."
        )
    return dataclasses.replace(config, model_dir=str(directory))


def _trainings(directory: epath.Path, mode: str) -> Iterator[Training]:
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


def _class_names(directory: epath.Path) -> list[str] | None:
    path = directory / run_directory.CLASSES_FILE
    return path.read_text().splitlines() if path.exists() else None

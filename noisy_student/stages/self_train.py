"""`--mode=self_train`: teacher -> predict -> select -> student -> again.

Algorithm 1 of Noisy Student (arXiv 1911.04252). Every stage leaves a finished
artefact in the generation's directory and is not run again where it is there,
so that the same command goes on after a kill.
"""

import dataclasses
import pathlib

import numpy as np
from absl import logging

from noisy_student import methods, report
from noisy_student.config import ExperimentConfig, ModelConfig
from noisy_student.files import disk_space, run_directory, writing
from noisy_student.models import scaling
from noisy_student.pseudo_labels import PseudoLabelStats
from noisy_student.stages import predict, train
from noisy_student.stages.experiment import Experiment, Stage, open_and_claim
from noisy_student.stages.training_input import Unlabeled


class SelfTrain(Stage):
    """The outer loop over generations."""

    def validate(self) -> None:
        settings = self.config.train
        if not methods.find(settings.method).needs_teacher:
            raise ValueError(
                "mode=self_train needs unlabel_ratio above 0 and a method that "
                f"learns from a teacher; use mode=train for {settings.method}."
            )
        for name in ("teacher_model_path", "train_last_step_num"):
            if getattr(settings, name) is not None:
                raise ValueError(f"{name} is for mode=train; leave it out.")
        check_models(self.config)
        self.experiment = open_and_claim(self.config, self._check)

    def _check(self, experiment: Experiment) -> None:
        experiment.data.require_unlabeled()
        for number in range(self.config.self_training.num_iterations + 1):
            train.check_training(_generation(experiment, number))
        _check_space(experiment)

    def run(self) -> None:
        with self.experiment.devices.watching_workers():
            results = self_train(self.experiment)
        if self.experiment.devices.is_chief:
            print(report.format_table(results))


def self_train(experiment: Experiment) -> dict:
    """Trains a teacher and then one student after the other.

    Args:
        experiment: Its `data.unlabeled` must be there; every worker calls
            this alike.

    Returns:
        The results, as `results.json` has them.
    """
    config, devices = experiment.config, experiment.devices
    results = report.load_results(config)
    generations = results["generations"]
    last = config.self_training.num_iterations
    for number in range(len(generations), last + 1):
        generation = _generation(experiment, number)
        directory = generation.config.directory
        if devices.is_chief:
            run_directory.claim(directory, generation.config)
        devices.wait_for_all()
        seed = _seed(config, number)
        if number == 0:
            stats, unlabeled = None, Unlabeled()
            description = "train teacher"
        else:
            teacher = _directory(config, number - 1) / run_directory.MODEL_FILE
            labels = _labels(config, number)
            stats = predict.make_pseudo_labels(
                generation, teacher, labels, seed
            )
            unlabeled = Unlabeled(records=labels)
            description = f"train student {number}"
        metrics = train.train_model(generation, seed, description, unlabeled)
        generations.append(_result(generation, number, metrics, stats))
        if devices.is_chief:
            model = directory / run_directory.MODEL_FILE
            writing.copy(model, config.directory / model.name)
            report.save_results(config, results)
    return results


def _check_space(experiment: Experiment) -> None:
    """Refuses a run whose predictions alone would not fit on the disk.

    What is kept of them is not known before.
    """
    config = experiment.config
    finished = len(report.load_results(config)["generations"])
    students = range(max(finished, 1), config.self_training.num_iterations + 1)
    needed = sum(
        predict.size_of_predictions(
            experiment.data,
            predict.label_files(config, _labels(config, number)),
        )
        for number in students
    )
    disk_space.check(config.directory, needed, "Predictions")


def check_models(config: ExperimentConfig) -> None:
    """Refuses unknown models and warns of a student below its teacher.

    Raises:
        ValueError: a model is unknown.
    """
    sizes: list[float] = []
    for number in range(config.self_training.num_iterations + 1):
        sizes.append(scaling.get_scaling(_model(config, number)).size)
        if number and sizes[number] < sizes[number - 1]:
            logging.warning(
                "Student %d is smaller than its teacher; Noisy Student needs "
                "an equal or larger one (paper, section 2.1).",
                number,
            )


def _generation(experiment: Experiment, number: int) -> Experiment:
    """The experiment of one generation, in a run directory of its own.

    The first teacher is supervised; students start from fresh weights (paper,
    section 4).
    """
    config = experiment.config
    train = config.train
    if number == 0:
        train = dataclasses.replace(
            train,
            method="supervised",
            unlabel_ratio=0.0,
            train_steps=train.teacher_train_steps or train.train_steps,
        )
    else:
        train = dataclasses.replace(train, init_model_path=None)
    own = dataclasses.replace(
        config,
        mode="train",
        model_dir=str(_directory(config, number)),
        model=_model(config, number),
        train=train,
    )
    return dataclasses.replace(experiment, config=own)


def _model(config: ExperimentConfig, number: int) -> ModelConfig:
    if number == 0:
        return config.model
    return config.self_training.student_model(config.model, number)


def _directory(config: ExperimentConfig, number: int) -> pathlib.Path:
    return config.directory / f"generation_{number:02d}"


def _labels(config: ExperimentConfig, number: int) -> pathlib.Path:
    """What a student learns from."""
    return _directory(config, number) / "pseudo_labels"


def _seed(config: ExperimentConfig, number: int) -> int:
    """Each generation draws its own weights, order and noise."""
    sequence = np.random.SeedSequence([config.seed, number])
    return int(sequence.generate_state(1)[0])


def _result(
    generation: Experiment,
    number: int,
    metrics: dict,
    stats: PseudoLabelStats | None,
) -> dict:
    """A generation's entry in `results.json`."""
    kept, records = (stats.kept, stats.records) if stats else (0, 0)
    seconds = metrics["seconds"] + (stats.seconds if stats else 0)
    return {
        "generation": number,
        "role": "student" if number else "teacher",
        "model_name": generation.config.model.model_name,
        **report.metrics_of(metrics),
        "num_images": generation.data.labeled.num_images + kept,
        "pseudo_labels": {
            "kept": kept,
            "records": records,
            "accuracy": stats.accuracy if stats else None,
        },
        "seconds": round(seconds, 1),
    }

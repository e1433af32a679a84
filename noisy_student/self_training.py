"""The outer loop: teacher -> predict -> select -> student -> again.

Algorithm 1 of Noisy Student (arXiv 1911.04252). Every stage leaves a finished
artefact in the generation's directory and is not run again where it is there,
so that the same command goes on after a kill.
"""

import dataclasses
import pathlib

import numpy as np
from absl import logging

from noisy_student import experiment, inputs, pseudo_labels, report
from noisy_student.config import ExperimentConfig, ModelConfig, TrainConfig
from noisy_student.data import sources
from noisy_student.files import run_directory, writing
from noisy_student.models import scaling
from noisy_student.training import distribution

PSEUDO_LABEL_DIR = "pseudo_labels"


def self_train(
    config: ExperimentConfig,
    data: sources.TaskData,
    devices: distribution.Devices,
) -> dict:
    """Trains a teacher and then one student after the other.

    Args:
        config: of the experiment; `check_models` has passed.
        data: the images; `unlabeled` must be there.
        devices: that train; every worker calls this alike.

    Returns:
        The results, as `results.json` has them.
    """
    results = report.load_results(config)
    generations = results["generations"]
    last = config.self_training.num_iterations
    for number in range(len(generations), last + 1):
        if devices.is_chief:
            _claim(config, number)
        devices.wait_for_all()
        if number == 0:
            result = train_first_teacher(config, data, devices)
        else:
            stats = make_pseudo_labels(config, data, devices, number)
            result = train_student(config, data, devices, number, stats)
        generations.append(result)
        if devices.is_chief:
            _publish(config, number)
            report.save_results(config, results)
    return results


def train_first_teacher(
    config: ExperimentConfig,
    data: sources.TaskData,
    devices: distribution.Devices,
) -> dict:
    """Generation 0: on labelled images alone; returns its results."""
    evaluated = _train(config, data, devices, 0, None, "train teacher")
    return _result(config, data, 0, evaluated, None)


def make_pseudo_labels(
    config: ExperimentConfig,
    data: sources.TaskData,
    devices: distribution.Devices,
    number: int,
) -> pseudo_labels.PseudoLabelStats:
    """The labels that student `number` learns from, by its predecessor.

    Workers share the parts of the prediction; the chief filters.
    """
    directory = generation_dir(config, number) / PSEUDO_LABEL_DIR
    files = pseudo_labels.PredictionFiles(
        directory / "predictions",
        directory / "info",
        pseudo_labels.Division.from_config(config.pseudo_labels),
    )
    teacher = generation_dir(config, number - 1) / run_directory.MODEL_FILE
    shares = files.division.shares()[devices.worker :: devices.num_workers]
    experiment.label_images(config, data, devices, teacher, files, shares)
    devices.wait_for_all()
    if devices.is_chief:
        pseudo_labels.filter_and_balance(
            data,
            files,
            directory,
            config.pseudo_labels,
            seed=_seed(config, number),
        )
    devices.wait_for_all()
    return pseudo_labels.PseudoLabelStats.load(directory)


def train_student(
    config: ExperimentConfig,
    data: sources.TaskData,
    devices: distribution.Devices,
    number: int,
    stats: pseudo_labels.PseudoLabelStats,
) -> dict:
    """Student `number`, noised, on labels and pseudo labels; its results."""
    directory = generation_dir(config, number) / PSEUDO_LABEL_DIR
    evaluated = _train(
        config, data, devices, number, directory, f"train student {number}"
    )
    return _result(config, data, number, evaluated, stats)


def generation_train(config: ExperimentConfig, number: int) -> TrainConfig:
    """The optimisation of a generation; the first teacher is supervised.

    Students start from fresh weights (paper, section 4).
    """
    train = config.train
    if number > 0:
        return dataclasses.replace(train, init_model_path=None)
    return dataclasses.replace(
        train,
        method="supervised",
        unlabel_ratio=0.0,
        train_steps=train.teacher_train_steps or train.train_steps,
    )


def generation_model(config: ExperimentConfig, number: int) -> ModelConfig:
    """The model of a generation; 0 is the first teacher."""
    if number == 0:
        return config.model
    return config.self_training.student_model(config.model, number)


def generation_dir(config: ExperimentConfig, number: int) -> pathlib.Path:
    """The run directory of a generation."""
    return config.directory / f"generation_{number:02d}"


def check_models(config: ExperimentConfig) -> None:
    """Refuses unknown models and warns of a student below its teacher.

    Raises:
        ValueError: a model is unknown.
    """
    sizes = []
    for number in range(config.self_training.num_iterations + 1):
        model = generation_model(config, number)
        sizes.append(
            scaling.model_size(
                model.model_name,
                model.width_coefficient,
                model.depth_coefficient,
            )
        )
        if number and sizes[number] < sizes[number - 1]:
            logging.warning(
                "Student %d is smaller than its teacher; Noisy Student needs "
                "an equal or larger one (paper, section 2.1).",
                number,
            )


def _claim(config: ExperimentConfig, number: int) -> None:
    """Gives a generation's run directory its `config.json`."""
    directory = generation_dir(config, number)
    own = dataclasses.replace(
        config,
        mode="train",
        model_dir=str(directory),
        model=generation_model(config, number),
        train=generation_train(config, number),
    )
    run_directory.claim(directory, own)


def _train(
    config: ExperimentConfig,
    data: sources.TaskData,
    devices: distribution.Devices,
    number: int,
    records: pathlib.Path | None,
    description: str,
) -> dict:
    return experiment.train_model(
        config,
        data,
        devices,
        generation_dir(config, number),
        experiment.model_for_task(
            config, generation_model(config, number), data
        ),
        generation_train(config, number),
        inputs.Teaching(records) if records else None,
        seed=_seed(config, number),
        description=description,
    )


def _result(config, data, number, evaluated, stats) -> dict:
    """A generation's entry in `results.json`."""
    return {
        "generation": number,
        "role": "student" if number else "teacher",
        "model_name": generation_model(config, number).model_name,
        "top_1_accuracy": evaluated["top_1_accuracy"],
        "top_5_accuracy": evaluated["top_5_accuracy"],
        "num_images": data.labeled.num_images + (stats.kept if stats else 0),
        "pseudo_labels": {
            "kept": stats.kept if stats else 0,
            "records": stats.records if stats else 0,
            "accuracy": stats.accuracy if stats else None,
        },
        "seconds": round(
            evaluated["seconds"] + (stats.seconds if stats else 0), 1
        ),
    }


def _seed(config: ExperimentConfig, number: int) -> int:
    """Each generation draws its own weights, order and noise."""
    sequence = np.random.SeedSequence([config.seed, number])
    return int(sequence.generate_state(1)[0])


def _publish(config: ExperimentConfig, number: int) -> None:
    """The newest model is that of the whole run."""
    model = generation_dir(config, number) / run_directory.MODEL_FILE
    writing.copy(model, config.directory / model.name)

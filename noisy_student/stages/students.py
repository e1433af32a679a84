"""What each student is, by the lists of the settings."""

import dataclasses
from collections.abc import Sequence
from typing import TypeVar

from absl import logging

from noisy_student import models
from noisy_student.config import ExperimentConfig, ModelConfig, Settings
from noisy_student.config.self_training import FRESH, PRETRAINED_TOO, TEACHERS

_Settings = TypeVar("_Settings", bound=Settings)


def check(config: ExperimentConfig) -> None:
    """Refuses students that cannot be, and warns of one below its teacher.

    Raises:
        ValueError: A model is unknown; or the weights that a student is to
            start from are not given, or of another model.
    """
    init = config.self_training.student_init
    if init == PRETRAINED_TOO and config.train.init_weights is None:
        raise ValueError(
            f"student_init={init} needs init_weights, which are the students', "
            "too."
        )
    models.check_name(config.model)
    teacher = config.model
    for number in range(1, config.self_training.num_iterations + 1):
        student = _model(config, number)
        models.check_name(student)
        before, teacher = teacher, student
        if init == TEACHERS:
            _check_same_network(student, before, number)
        if models.is_smaller(student, before):
            logging.warning(
                "Student %d is smaller than its teacher; Noisy Student needs "
                "an equal or larger one (paper, section 2.1).",
                number,
            )


def _check_same_network(
    student: ModelConfig, teacher: ModelConfig, number: int
) -> None:
    """Refuses a student that cannot have its teacher's weights.

    Raises:
        ValueError: Their networks differ.
    """
    given = models.network_of(teacher)
    for name, ours in models.network_of(student).items():
        theirs = given.get(name)
        if ours != theirs:
            raise ValueError(
                f"student_init={TEACHERS} needs students of their teacher's "
                f"model; student {number} has {name}={ours}, and its teacher "
                f"{theirs}. Take student_init={FRESH} or {PRETRAINED_TOO}."
            )


def settings(config: ExperimentConfig, number: int) -> dict[str, Settings]:
    """The groups of settings that are a student's own, by their fields.

    It starts from fresh weights (paper, section 4) unless told otherwise.

    Args:
        config: The settings of `--mode=self_train`.
        number: Of the student, from 1.
    """
    loop = config.self_training
    train = config.train
    if loop.student_init != PRETRAINED_TOO:
        train = dataclasses.replace(train, init_weights=None)
    return dict(
        model=_model(config, number),
        data=_own(
            config.data,
            number,
            input_image_size=loop.student_input_image_sizes,
        ),
        noise=_own(config.noise, number, randaug_mag=loop.student_randaug_mags),
        train=_own(
            train,
            number,
            unlabel_ratio=loop.student_unlabel_ratios,
            train_batch_size=loop.student_train_batch_sizes,
            train_steps=loop.student_train_steps,
        ),
    )


def _model(config: ExperimentConfig, number: int) -> ModelConfig:
    """A student's model.

    A student whose model has a name of its own has that model's own scaling
    and dropout, unless the students' lists say otherwise: the first teacher's
    overrides would make it the first teacher's network again.
    """
    loop, model = config.self_training, config.model
    if loop.student_model_names:
        model = dataclasses.replace(
            model,
            width_coefficient=None,
            depth_coefficient=None,
            dropout_rate=None,
        )
    return _own(
        model,
        number,
        model_name=loop.student_model_names,
        width_coefficient=loop.student_width_coefficients,
        depth_coefficient=loop.student_depth_coefficients,
        dropout_rate=loop.student_dropout_rates,
        stochastic_depth_rate=loop.student_stochastic_depth_rates,
    )


def _own(settings: _Settings, number: int, **lists: Sequence) -> _Settings:
    """Settings with a student's values of lists; of one value, it is all's."""
    changes = {
        name: values[min(number, len(values)) - 1]
        for name, values in lists.items()
        if values
    }
    return dataclasses.replace(settings, **changes)  # type: ignore[type-var]

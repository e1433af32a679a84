"""What each generation of self-training trains: a plan, made from settings.

Nothing here opens images, builds models or writes files; `self_train.py`
carries the plan out.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from absl import logging
from etils import epath

from noisy_student.config import (
    NOTHING_FROZEN,
    ExperimentConfig,
    ModelConfig,
    Settings,
)
from noisy_student.files import run_directory
from noisy_student.models import scaling
from noisy_student.stages import fine_tuning

_Settings = TypeVar("_Settings", bound=Settings)


@dataclasses.dataclass(frozen=True)
class Training:
    """A model that is trained in a run directory of its own.

    Attributes:
        name: For messages, such as "student 1".
        description: Of the progress bar, such as "train student 1".
        settings: Of `--mode=train`; they name no file of an earlier training,
            so that a whole run may move to another place.
        seed: Of weights, order and noise.
        start: The model whose weights it starts from, where an earlier
            training of this generation makes it.
    """

    name: str
    description: str
    settings: ExperimentConfig
    seed: int
    start: epath.Path | None = None

    @property
    def config(self) -> ExperimentConfig:
        """The settings, with the model to start from."""
        if self.start is None:
            return self.settings
        train = dataclasses.replace(
            self.settings.train, init_model_path=str(self.start)
        )
        return dataclasses.replace(self.settings, train=train)

    @property
    def model(self) -> epath.Path:
        """The file of the trained model."""
        return self.settings.directory / run_directory.MODEL_FILE


@dataclasses.dataclass(frozen=True)
class Generation:
    """The first teacher, or a student.

    Attributes:
        number: 0 for the first teacher.
        trainings: Its training and, where there is one, its fine-tuning.
    """

    number: int
    trainings: tuple[Training, ...]

    @property
    def labels(self) -> epath.Path:
        """The directory of the pseudo labels that a student learns from."""
        return self.trainings[0].settings.directory / "pseudo_labels"

    @property
    def model(self) -> epath.Path:
        """The file of the model that may teach the next generation."""
        return self.trainings[-1].model


def plan(config: ExperimentConfig, num_labeled: int) -> tuple[Generation, ...]:
    """Plans all generations of a run.

    Args:
        config: The settings of `--mode=self_train`, with the method's
            defaults.
        num_labeled: Number of labelled images, which make an epoch.

    Raises:
        ValueError: A fine-tuning has more steps than the training.
    """
    first = Training(
        "the first teacher",
        "train teacher",
        _teacher_settings(config),
        _seed(config, 0),
    )
    numbers = range(1, config.self_training.num_iterations + 1)
    students = (_student(config, number, num_labeled) for number in numbers)
    return Generation(0, (first,)), *students


def next_teacher(rows: Sequence[dict[str, Any]], rule: str) -> int:
    """The generation whose model teaches the next one.

    Args:
        rows: Those of `results.json` so far, at least one; with "best" they
            have the accuracy on the validation images.
        rule: `next_teacher` of the settings. Of equally good models the newer
            one is the best.
    """
    if rule == "newest":
        return rows[-1]["generation"]
    best = max(
        rows,
        key=lambda row: (
            row["validation"]["top_1_accuracy"],
            row["generation"],
        ),
    )
    return best["generation"]


def no_longer_rise(rows: Sequence[dict[str, Any]], patience: int) -> bool:
    """Whether so many newest models are no better than one before them.

    Args:
        rows: See `next_teacher`.
        patience: How many; 0 for "never".
    """
    if not patience or not rows:
        return False
    accuracies = [row["validation"]["top_1_accuracy"] for row in rows]
    best = accuracies.index(max(accuracies))
    return len(rows) - 1 - best >= patience


def check_settings(config: ExperimentConfig) -> None:
    """Refuses what the settings of self-training show to be wrong.

    Raises:
        ValueError: A model is unknown, or flags would have no effect.
    """
    for name in ("teacher_model_path", "train_last_step_num"):
        if getattr(config.train, name) is not None:
            raise ValueError(f"{name} is for mode=train; leave it out.")
    frozen = config.model.fix_layer_num
    if frozen != NOTHING_FROZEN:
        raise ValueError(
            f"fix_layer_num={frozen} is for weights that were trained before, "
            "and students start from fresh ones; leave it out, or set "
            "finetune_fix_layer_num where models are fine-tuned."
        )
    fine_tuning.check_settings(config.self_training)
    check_models(config)


def check_models(config: ExperimentConfig) -> None:
    """Refuses unknown models and warns of a student below its teacher.

    Raises:
        ValueError: A model is unknown.
    """
    size = scaling.get_scaling(config.model).size
    for number in range(1, config.self_training.num_iterations + 1):
        student = _student_model(config, number)
        before, size = size, scaling.get_scaling(student).size
        if size < before:
            logging.warning(
                "Student %d is smaller than its teacher; Noisy Student needs "
                "an equal or larger one (paper, section 2.1).",
                number,
            )


def _teacher_settings(config: ExperimentConfig) -> ExperimentConfig:
    """The first teacher's: it is supervised."""
    train = config.train
    train = dataclasses.replace(
        train,
        method="supervised",
        unlabel_ratio=0.0,
        train_steps=train.teacher_train_steps or train.train_steps,
        train_epochs=(
            None if train.teacher_train_steps else train.train_epochs
        ),
    )
    return _in_directory(config, 0, train=train)


def _student_settings(
    config: ExperimentConfig, number: int
) -> ExperimentConfig:
    """A student's: it starts from fresh weights (paper, section 4)."""
    loop = config.self_training
    return _in_directory(
        config,
        number,
        model=_student_model(config, number),
        data=_own(
            config.data,
            number,
            input_image_size=loop.student_input_image_sizes,
        ),
        noise=_own(config.noise, number, randaug_mag=loop.student_randaug_mags),
        train=_own(
            dataclasses.replace(config.train, init_model_path=None),
            number,
            unlabel_ratio=loop.student_unlabel_ratios,
            train_batch_size=loop.student_train_batch_sizes,
            train_steps=loop.student_train_steps,
        ),
    )


def _student_model(config: ExperimentConfig, number: int) -> ModelConfig:
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


def _in_directory(
    config: ExperimentConfig, number: int, **groups: Any
) -> ExperimentConfig:
    """The settings of a training in the directory of its generation."""
    directory = run_directory.generation_directory(config.directory, number)
    return dataclasses.replace(
        config, mode="train", model_dir=str(directory), **groups
    )


def _student(
    config: ExperimentConfig, number: int, num_labeled: int
) -> Generation:
    training = Training(
        f"student {number}",
        f"train student {number}",
        _student_settings(config, number),
        _seed(config, number),
    )
    sizes = config.self_training.finetune_input_image_sizes
    side = sizes[min(number, len(sizes)) - 1] if sizes else 0
    if not side:
        return Generation(number, (training,))
    settings = fine_tuning.settings(training.settings, side, num_labeled)
    tuning = Training(
        f"fine-tuning of student {number}",
        f"fine-tune student {number}",
        settings,
        training.seed,
        training.model,
    )
    return Generation(number, (training, tuning))


def _seed(config: ExperimentConfig, number: int) -> int:
    """Each generation draws its own weights, order and noise."""
    sequence = np.random.SeedSequence([config.seed, number])
    return int(sequence.generate_state(1)[0])

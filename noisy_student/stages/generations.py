"""What each generation of self-training trains: a plan, made from settings.

Nothing here opens images, builds models or writes files; `self_train.py`
carries the plan out.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from etils import epath

from noisy_student.config import (
    ExperimentConfig,
)
from noisy_student.config.self_training import FRESH, TEACHERS
from noisy_student.files import run_directory
from noisy_student.stages import fine_tuning, students


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
            self.settings.train, init_weights=str(self.start)
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
    planned = [Generation(0, (first,))]
    for number in range(1, config.self_training.num_iterations + 1):
        planned.append(_student(config, number, num_labeled, planned[-1]))
    return tuple(planned)


def taught_by(generation: Generation, teacher: Generation) -> Generation:
    """A generation whose student starts from the weights of this teacher.

    It stays as it is where students start from other weights. The plan has the
    generation before as the teacher, which may not be the best.
    """
    training, *others = generation.trainings
    if training.start is None:
        return generation
    training = dataclasses.replace(training, start=teacher.model)
    return dataclasses.replace(generation, trainings=(training, *others))


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
    frozen = config.model.frozen
    if frozen is not None and config.self_training.student_init == FRESH:
        raise ValueError(
            f"{frozen} is for weights that were trained before, and students "
            "start from fresh ones; leave it out, or set "
            "finetune_fix_layer_num where models are fine-tuned, or "
            "student_init."
        )
    fine_tuning.check_settings(config.self_training)
    students.check(config)


def _teacher_settings(config: ExperimentConfig) -> ExperimentConfig:
    """The first teacher's: it is supervised."""
    train = config.train
    train = dataclasses.replace(
        train,
        method="supervised",
        unlabel_ratio=0.0,
        label_data_sample_prob=1.0,  # it sees nothing else
        train_steps=train.teacher_train_steps or train.train_steps,
        train_epochs=(
            None if train.teacher_train_steps else train.train_epochs
        ),
    )
    return _in_directory(config, 0, train=train)


def _in_directory(
    config: ExperimentConfig, number: int, **groups: Any
) -> ExperimentConfig:
    """The settings of a training in the directory of its generation."""
    directory = run_directory.generation_directory(config.directory, number)
    return dataclasses.replace(
        config, mode="train", model_dir=str(directory), **groups
    )


def _student(
    config: ExperimentConfig, number: int, num_labeled: int, before: Generation
) -> Generation:
    from_teacher = config.self_training.student_init == TEACHERS
    training = Training(
        f"student {number}",
        f"train student {number}",
        _in_directory(config, number, **students.settings(config, number)),
        _seed(config, number),
        before.model if from_teacher else None,
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

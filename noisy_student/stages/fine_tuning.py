"""The settings of a fine-tuning at a higher resolution.

It fixes the difference between the sizes at which objects appear in random
crops and in evaluation (Noisy Student, section 3.1; arXiv 1906.06423).
"""

import dataclasses
import math

from noisy_student.config import (
    ExperimentConfig,
    SelfTrainingConfig,
    TrainConfig,
)
from noisy_student.files import run_directory

# Noisy Student, section 3.1.
_EPOCHS = 1.5


def check_settings(loop: SelfTrainingConfig) -> None:
    """Refuses flags that only a fine-tuning reads where there is none.

    Raises:
        ValueError: Naming the flag.
    """
    if any(loop.finetune_input_image_sizes):
        return
    for field in dataclasses.fields(loop):
        name, given = field.name, getattr(loop, field.name)
        if (
            name.startswith("finetune_")
            and name != "finetune_input_image_sizes"
            and given != field.default
        ):
            raise ValueError(
                f"{name}={given} needs finetune_input_image_sizes, the "
                "resolution at which students are fine-tuned."
            )


def settings(
    student: ExperimentConfig, side: int, num_labeled: int
) -> ExperimentConfig:
    """The settings of the fine-tuning of a student.

    Labelled images have no noise (paper, section 3.1).

    Args:
        student: The settings of its training.
        side: The resolution in pixels.
        num_labeled: Number of labelled images, which make an epoch.

    Raises:
        ValueError: It has more steps than the schedule whose end it takes.
    """
    loop = student.self_training
    return dataclasses.replace(
        student,
        model_dir=str(run_directory.fine_tuning_directory(student.directory)),
        model=dataclasses.replace(
            student.model, fix_layer_num=loop.finetune_fix_layer_num
        ),
        data=dataclasses.replace(student.data, input_image_size=side),
        noise=dataclasses.replace(student.noise, remove_aug=True),
        train=_schedule(_batches(student.train, loop), loop, num_labeled),
    )


def _batches(train: TrainConfig, loop: SelfTrainingConfig) -> TrainConfig:
    """The student's schedule, in epochs, with the batches of fine-tuning."""
    ratio, steps = loop.finetune_unlabel_ratio, train.train_steps
    own = dataclasses.replace(
        train,
        train_batch_size=loop.finetune_batch_size or train.train_batch_size,
        # Labelled images alone all count.
        label_data_sample_prob=train.label_data_sample_prob if ratio else 1.0,
    )
    steps = steps and math.ceil(
        steps * train.labels_per_step / own.labels_per_step
    )
    return dataclasses.replace(
        own,
        method=train.method if ratio else "supervised",
        unlabel_ratio=ratio,
        train_steps=steps,
        init_weights=None,
        allow_new_head=False,
    )


def _schedule(
    train: TrainConfig, loop: SelfTrainingConfig, num_labeled: int
) -> TrainConfig:
    """The end of the schedule once more, or a learning rate of its own."""
    whole = dataclasses.replace(train, train_ratio=1.0)
    most = whole.schedule_steps(num_labeled)
    epochs = math.ceil(_EPOCHS * num_labeled / train.labels_per_step)
    steps = loop.finetune_steps or min(epochs, most)
    if loop.finetune_base_lr is not None:
        return dataclasses.replace(
            train,
            train_steps=steps,
            learning_rate_schedule="staircase",
            base_learning_rate=loop.finetune_base_lr,
            final_base_lr=None,
            warmup_epochs=0.0,
            ramp_up_steps=None,
            ramp_down_steps=None,
        )
    if steps > most:
        raise ValueError(
            f"finetune_steps={steps} is more than the {most} steps of the "
            "schedule whose end the fine-tuning takes once more; lower it or "
            "set finetune_base_lr."
        )
    return dataclasses.replace(train, train_last_step_num=steps)

"""Where the targets of unlabelled images come from: one file a method."""

import keras

from noisy_student.config import TrainConfig
from noisy_student.methods.base import Losses, LossTerm, Method
from noisy_student.methods.noisy_student import NoisyStudent
from noisy_student.methods.supervised import Supervised

__all__ = [
    "LossTerm",
    "Losses",
    "Method",
    "NoisyStudent",
    "Supervised",
    "make_method",
]


def make_method(
    config: TrainConfig,
    teacher: keras.Model | None = None,
    has_records: bool = True,
) -> Method:
    """The method that `config.method` names.

    Args:
        config: the training settings.
        teacher: that labels in the step, if `config` has one.
        has_records: whether the unlabelled images are pseudo-labelled
            records.

    Raises:
        ValueError: noisy_student without unlabelled images in the batch.
    """
    if config.method == "supervised":
        return Supervised(config.label_smoothing)
    if config.unlabel_ratio == 0:
        raise ValueError(
            "method=noisy_student needs unlabel_ratio above 0; got 0."
        )
    return NoisyStudent(
        config.label_smoothing,
        config.unlabel_ratio,
        config.teacher_softmax_temp,
        teacher,
        has_records,
    )

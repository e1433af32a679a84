"""Where the targets of unlabelled images come from: one file a method."""

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


def make_method(config: TrainConfig) -> Method:
    """The method that `config.method` names.

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
    )

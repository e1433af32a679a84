"""Where the targets of unlabelled images come from: one file a method."""

import importlib
import inspect

from noisy_student.methods.base import Batch, Losses, LossTerm, Method, Setup
from noisy_student.methods.mean_teacher import MeanTeacher
from noisy_student.methods.noisy_student import NoisyStudent
from noisy_student.methods.pi_model import PiModel
from noisy_student.methods.supervised import Supervised, labeled_losses
from noisy_student.methods.temporal_ensembling import TemporalEnsembling

__all__ = [
    "Batch",
    "LossTerm",
    "Losses",
    "MeanTeacher",
    "Method",
    "NoisyStudent",
    "PiModel",
    "Setup",
    "Supervised",
    "TemporalEnsembling",
    "find",
    "labeled_losses",
]

_METHODS: dict[str, type[Method]] = {
    "supervised": Supervised,
    "noisy_student": NoisyStudent,
    "pi_model": PiModel,
    "temporal_ensembling": TemporalEnsembling,
    "mean_teacher": MeanTeacher,
}


def find(name: str) -> type[Method]:
    """The class of a method.

    Args:
        name: one of `config.METHODS`, or `module:Class` for one from
            elsewhere.

    Raises:
        ValueError: there is no such class, or it is no method.
    """
    module, separator, attribute = name.partition(":")
    if not separator:
        return _METHODS[name]
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"method={name} is not there ({error}); it must be module:Class, "
            "the module beside main.py or in PYTHONPATH."
        ) from error
    is_method = isinstance(found, type) and issubclass(found, Method)
    if not is_method or inspect.isabstract(found):
        raise ValueError(
            f"method={name} is no noisy_student.methods.Method with `of` and "
            "`compute_losses`."
        )
    return found


def with_defaults(config):
    """Placeholder until the methods own their defaults."""
    return config

"""Where the targets of unlabelled images come from: one file per method.

`_BUILT_IN` names the methods, as the help of `--method` does; the other files
are what they share.
"""

import dataclasses
import importlib
import inspect
from typing import Any

from noisy_student.config import ExperimentConfig
from noisy_student.methods.base import (
    Batch,
    Losses,
    LossTerm,
    Method,
    MethodContext,
)
from noisy_student.methods.mean_teacher import MeanTeacher
from noisy_student.methods.noisy_student import NoisyStudent
from noisy_student.methods.pi_model import PiModel
from noisy_student.methods.supervised import Supervised, labeled_losses
from noisy_student.methods.temporal_ensembling import TemporalEnsembling

__all__ = [
    "Batch",
    "LossTerm",
    "Losses",
    "Method",
    "MethodContext",
    "Supervised",
    "find",
    "labeled_losses",
    "names",
    "with_defaults",
]


_BUILT_IN: dict[str, type[Method]] = {
    "mean_teacher": MeanTeacher,
    "noisy_student": NoisyStudent,
    "pi_model": PiModel,
    "supervised": Supervised,
    "temporal_ensembling": TemporalEnsembling,
}


def names() -> tuple[str, ...]:
    """Returns the names of the built-in methods, in alphabetical order."""
    return tuple(_BUILT_IN)


def find(name: str | None) -> type[Method]:
    """Returns the class of a method.

    Args:
        name: a name of `names()`, or `module:Class` for a method from
            elsewhere.

    Raises:
        ValueError: there is no such class, or it is not a method.
    """
    module, separator, attribute = (name or "").partition(":")
    if not separator:
        if name not in names():
            raise ValueError(
                f"method must be one of {', '.join(names())}, or module:Class; "
                f"got {name!r}."
            )
        return _BUILT_IN[module]
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"method={name} is not there ({error}); it must be module:Class, "
            "with the module beside main.py or in PYTHONPATH."
        ) from error
    is_method = isinstance(found, type) and issubclass(found, Method)
    if not is_method or inspect.isabstract(found):
        raise ValueError(
            f"method={name} is no noisy_student.methods.Method with "
            "`compute_losses`."
        )
    return found


def with_defaults(config: ExperimentConfig) -> ExperimentConfig:
    """Fills in what the method decides where the flags do not.

    The method itself is noisy_student where `unlabel_ratio` is above 0, else
    supervised. Its optimizer, learning rate schedule, label smoothing and
    consistency weight come from the class attributes `default_...`.

    Args:
        config: its fields may be None, which means "the method's".

    Returns:
        The experiment with a value for each of these settings.

    Raises:
        ValueError: there is no such method.
    """
    name = "noisy_student" if config.train.unlabel_ratio else "supervised"
    train = _fill(config.train, method=name)
    method = find(train.method)
    train = _fill(
        train,
        optimizer=method.default_optimizer,
        learning_rate_schedule=method.default_schedule,
        label_smoothing=method.default_label_smoothing,
    )
    schedule = "ramps" if train.optimizer == "adam" else "staircase"
    train = _fill(train, learning_rate_schedule=schedule)
    weight = method.default_max_consistency_weight
    consistency = _fill(config.consistency, max_consistency_weight=weight)
    return dataclasses.replace(config, train=train, consistency=consistency)


def _fill(settings: Any, **defaults: Any) -> Any:
    """Replaces those of the fields that are None."""
    unset = {k: v for k, v in defaults.items() if getattr(settings, k) is None}
    return dataclasses.replace(settings, **unset)

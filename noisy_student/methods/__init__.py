"""Where the targets of unlabelled images come from: one file per method.

The built-in methods are the classes that the files of this folder register;
the other files are what methods share. The help of `--method` names them.
"""

import dataclasses
import importlib
import inspect
import pkgutil
from typing import Any

from noisy_student import plugins
from noisy_student.config import ExperimentConfig
from noisy_student.methods import base
from noisy_student.methods.base import (
    Batch,
    Losses,
    LossTerm,
    Method,
    MethodContext,
)
from noisy_student.methods.supervised import Supervised, labeled_losses

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


def names() -> tuple[str, ...]:
    """Returns the names of the built-in methods, in alphabetical order."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return tuple(sorted(base.registered))


def find(name: str | None) -> type[Method]:
    """Returns the class of a method.

    Args:
        name: a name of `names()`, or `module:Class` for a method from
            elsewhere.

    Raises:
        ValueError: there is no such class, or it is not a method.
    """
    if name is None or plugins.SEPARATOR not in name:
        if name not in names():
            raise ValueError(
                f"method must be one of {', '.join(names())}, or module:Class; "
                f"got {name!r}."
            )
        return base.registered[name]
    found = plugins.find(name, "method")
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
    train = config.train
    name = "noisy_student" if train.unlabel_ratio else "supervised"
    train = _fill(train, method=name)
    method = find(train.method)
    train = _fill(
        train,
        optimizer=method.default_optimizer,
        learning_rate_schedule=method.default_schedule,
        label_smoothing=method.default_label_smoothing,
    )
    schedules = {"adam": "ramps", "adamw": "cosine"}
    schedule = schedules.get(train.optimizer, "staircase")
    train = _fill(train, learning_rate_schedule=schedule)
    weight = method.default_max_consistency_weight
    consistency = _fill(config.consistency, max_consistency_weight=weight)
    return dataclasses.replace(config, train=train, consistency=consistency)


def _fill(settings: Any, **defaults: Any) -> Any:
    """Replaces those of the fields that are None."""
    unset = {k: v for k, v in defaults.items() if getattr(settings, k) is None}
    return dataclasses.replace(settings, **unset)

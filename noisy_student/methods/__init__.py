"""Where the targets of unlabelled images come from: one file a method."""

import dataclasses
import importlib
import inspect

from noisy_student.config import ExperimentConfig
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
    "names",
    "with_defaults",
]

_METHODS: dict[str, type[Method]] = {
    "supervised": Supervised,
    "noisy_student": NoisyStudent,
    "pi_model": PiModel,
    "temporal_ensembling": TemporalEnsembling,
    "mean_teacher": MeanTeacher,
}


def names() -> tuple[str, ...]:
    """The names of the built-in methods."""
    return tuple(_METHODS)


def find(name: str) -> type[Method]:
    """The class of a method.

    Args:
        name: a key of `_METHODS`, or `module:Class` for one from
            elsewhere.

    Raises:
        ValueError: there is no such class, or it is no method.
    """
    module, separator, attribute = name.partition(":")
    if not separator:
        if name not in _METHODS:
            raise ValueError(
                f"method must be one of {', '.join(_METHODS)}; got {name!r}."
            )
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


def with_defaults(config: ExperimentConfig) -> ExperimentConfig:
    """Fills in what the method decides where the settings do not."""
    train = config.train
    name = train.method or (
        "noisy_student" if train.unlabel_ratio else "supervised"
    )
    consistent = name in ("pi_model", "temporal_ensembling", "mean_teacher")
    find(name)
    optimizer = train.optimizer or ("adam" if consistent else "rmsprop")
    smoothing, weight = train.label_smoothing, 30.0
    if name != "temporal_ensembling":
        weight = 100.0
    given = config.consistency.max_consistency_weight
    return dataclasses.replace(
        config,
        train=dataclasses.replace(
            train,
            method=name,
            optimizer=optimizer,
            learning_rate_schedule=train.learning_rate_schedule
            or ("ramps" if optimizer == "adam" else "staircase"),
            label_smoothing=(0.0 if consistent else 0.1)
            if smoothing is None
            else smoothing,
        ),
        consistency=dataclasses.replace(
            config.consistency,
            max_consistency_weight=weight if given is None else given,
        ),
    )

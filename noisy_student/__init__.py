"""Noisy Student Training (arXiv 1911.04252) in Keras 3 on TensorFlow.

The names below are the public ones. They are imported when first used, because
TensorFlow takes seconds to import and settings alone do not need it.
"""

import importlib
from typing import Any

import wrapt

_PUBLIC = {
    "ExperimentConfig": "noisy_student.config",
    "ModelConfig": "noisy_student.config",
    "RandAugment": "noisy_student.noise",
    "build_model": "noisy_student.models",
    "evaluate": "noisy_student.api",
    "filter": "noisy_student.api",
    "load_model": "noisy_student.models",
    "predict": "noisy_student.api",
    "self_train": "noisy_student.api",
    "train": "noisy_student.api",
    "write_report": "noisy_student.stages.reporting",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


@wrapt.when_imported("keras")
def _register_layers(keras: Any) -> None:
    """Lets `keras.models.load_model` know our layers.

    Runs when Keras is imported, or now if it already is.
    """
    for package in ("noisy_student.models", "noisy_student.noise"):
        importlib.import_module(package)

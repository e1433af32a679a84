"""Noisy Student Training (arXiv 1911.04252) in Keras 3 on TensorFlow.

The names below are the library's front; they are imported when first used,
since TensorFlow takes seconds and settings alone do not need it.
"""

import importlib
from typing import Any

_PUBLIC = {
    "ExperimentConfig": "noisy_student.config",
    "ModelConfig": "noisy_student.config",
    "RandAugment": "noisy_student.noise",
    "build_model": "noisy_student.models",
    "load_model": "noisy_student.models",
    "self_train": "noisy_student.stages.self_train",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)

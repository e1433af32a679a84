"""EfficientNet: scaling table, blocks, the network, files and imports."""

from noisy_student.models.efficientnet import (
    build_model,
    check_model,
    input_side,
)
from noisy_student.models.saved import check_model_file, load_model, save_model

__all__ = [
    "build_model",
    "check_model",
    "check_model_file",
    "input_side",
    "load_model",
    "save_model",
]

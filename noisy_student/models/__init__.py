"""EfficientNet: scaling table, blocks, the network, files and imports."""

from noisy_student.models.batch_norm import share_statistics
from noisy_student.models.efficientnet import (
    build_model,
    check_model,
    input_side,
)
from noisy_student.models.noised_call import call_as_teacher, random_states
from noisy_student.models.pretrained import (
    check_fits,
    find,
    load_teacher,
    read_weights,
)
from noisy_student.models.saved import check_model_file, load_model, save_model
from noisy_student.models.weights import assign

__all__ = [
    "assign",
    "build_model",
    "call_as_teacher",
    "check_fits",
    "check_model",
    "check_model_file",
    "find",
    "input_side",
    "load_model",
    "load_teacher",
    "random_states",
    "read_weights",
    "save_model",
    "share_statistics",
]

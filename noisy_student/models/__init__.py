"""EfficientNet and other networks, their files, and weights from elsewhere."""

from noisy_student.models.batch_norm import moving_statistics, share_statistics
from noisy_student.models.dropout import call_as_teacher, random_states
from noisy_student.models.efficientnet import is_for_small_images
from noisy_student.models.importers.weights import assign
from noisy_student.models.networks import (
    build_model,
    check_model,
    check_name,
    input_side,
    is_smaller,
    network_of,
)
from noisy_student.models.pretrained import (
    check_fits,
    check_pretrained,
    digest,
    load_pretrained,
    load_teacher,
    read_weights,
    resolve_model_path,
    start_from,
)
from noisy_student.models.saved import load_model, save_model

__all__ = [
    "assign",
    "build_model",
    "call_as_teacher",
    "check_fits",
    "check_model",
    "check_name",
    "check_pretrained",
    "digest",
    "input_side",
    "is_for_small_images",
    "is_smaller",
    "load_model",
    "load_pretrained",
    "load_teacher",
    "moving_statistics",
    "network_of",
    "random_states",
    "read_weights",
    "resolve_model_path",
    "save_model",
    "share_statistics",
    "start_from",
]

"""Reads TF1 checkpoints of the original.

The released ones (`noisy_student_efficientnet-*`) are among them.
"""

import glob
import os

import tensorflow as tf
from etils import epath

from noisy_student.config.paths import to_path
from noisy_student.errors import InputError
from noisy_student.files import remote
from noisy_student.models import saved
from noisy_student.models.importers.weights import Weights

_AVERAGED = "/ExponentialMovingAverage"
_A_SCOPED_NAME = "/stem/conv2d/kernel"


def checkpoint_prefix(path: str | epath.Path) -> str:
    """Returns the prefix of the files of a TF1 checkpoint.

    Args:
        path: the prefix, or a directory with a `checkpoint` file.

    Raises:
        ValueError: there is no checkpoint.
    """
    path = to_path(path)
    for prefix in _newest(path) if path.is_dir() else [str(path)]:
        if to_path(f"{prefix}.index").is_file():
            return prefix
    raise ValueError(
        f"There is no checkpoint {path}: {path}.index is missing. Give the "
        "prefix, without .index or .data-*."
    )


def _newest(directory: epath.Path) -> list[str]:
    """Where the newest checkpoint of a directory may be."""
    state = tf.train.get_checkpoint_state(str(directory))
    if state is None:
        return []
    stated = state.model_checkpoint_path
    # Absolute names stay behind where a directory is copied.
    return [str(directory / os.path.basename(stated)), stated]


def checkpoint_files(prefix: str) -> list[epath.Path]:
    """Returns the files of a checkpoint, the index first."""
    path = to_path(prefix)
    data = remote.glob(path.parent, f"{glob.escape(path.name)}.data-*")
    return [path.with_name(f"{path.name}.index"), *data]


def read(prefix: str, averaged: bool = True) -> Weights:
    """Reads the model of a checkpoint, without optimizer slots and counters.

    Args:
        prefix: of the checkpoint's files; see `checkpoint_prefix`.
        averaged: whether to read the moving averages of the weights, which
            the original evaluates with, or the raw weights.

    Raises:
        InputError: the files are damaged, hold no model of the original, or
            have no averages.
    """
    complaint = f"{prefix} cannot be read; are its files whole?"
    with saved.damage_named(complaint, tf.errors.OpError):
        return _read(prefix, averaged)


def _read(prefix: str, averaged: bool) -> Weights:
    reader = tf.train.load_checkpoint(prefix)
    names = set(reader.get_variable_to_shape_map())
    kernels = [name for name in names if name.endswith(_A_SCOPED_NAME)]
    if len(kernels) != 1:
        raise InputError(
            f"{prefix} is no EfficientNet of the original: it has "
            f"{len(kernels)} variables MODEL{_A_SCOPED_NAME}, not one."
        )
    scope = kernels[0].removesuffix(_A_SCOPED_NAME) + "/"
    suffix = _AVERAGED if averaged else ""
    # Slots and averages have the name of a variable as their scope.
    weights = {
        name.removeprefix(scope): reader.get_tensor(name + suffix)
        for name in names
        if name.startswith(scope)
        and name.rpartition("/")[0] not in names
        and name + suffix in names
    }
    if not weights:
        raise InputError(f"{prefix} has no averaged weights; use the raw ones.")
    return weights

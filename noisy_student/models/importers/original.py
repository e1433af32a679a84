"""Reads TF1 checkpoints of the original.

The released ones (`noisy_student_efficientnet-*`) are among them.
"""

import glob
import pathlib

import tensorflow as tf

from noisy_student.errors import InputError
from noisy_student.models import saved
from noisy_student.models.importers.weights import Weights

_AVERAGED = "/ExponentialMovingAverage"
_A_SCOPED_NAME = "/stem/conv2d/kernel"


def checkpoint_prefix(path: str | pathlib.Path) -> str:
    """Returns the prefix of the files of a TF1 checkpoint.

    Args:
        path: the prefix, or a directory with a `checkpoint` file.

    Raises:
        ValueError: there is no checkpoint.
    """
    path = pathlib.Path(path)
    for prefix in _newest(path) if path.is_dir() else [path]:
        if pathlib.Path(f"{prefix}.index").is_file():
            return str(prefix)
    raise ValueError(
        f"There is no checkpoint {path}: {path}.index is missing. Give the "
        "prefix, without .index or .data-*."
    )


def _newest(directory: pathlib.Path) -> list[pathlib.Path]:
    """Where the newest checkpoint of a directory may be."""
    state = tf.train.get_checkpoint_state(str(directory))
    if state is None:
        return []
    stated = pathlib.Path(state.model_checkpoint_path)
    # Absolute names stay behind where a directory is copied.
    return [stated, directory / stated.name]


def checkpoint_files(prefix: str) -> list[pathlib.Path]:
    """Returns the files of a checkpoint, the index first."""
    path = pathlib.Path(prefix)
    data = sorted(path.parent.glob(f"{glob.escape(path.name)}.data-*"))
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

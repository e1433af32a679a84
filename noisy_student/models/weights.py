"""Weights from elsewhere into a model: the original's TF1 checkpoints.

Released ones (`noisy_student_efficientnet-*`) included. Weights pass as arrays
by their original names; `keras_applications.py` reads another source.
"""

import pathlib

import keras
import numpy as np
import tensorflow as tf

from noisy_student.errors import InputError
from noisy_student.models import original_names

_AVERAGED = "/ExponentialMovingAverage"
_A_SCOPED_NAME = "/stem/conv2d/kernel"

Weights = dict[str, np.ndarray]


def check_checkpoint(path: str | pathlib.Path) -> str:
    """The prefix of a TF1 checkpoint.

    Args:
        path: the prefix, or a directory with a `checkpoint` file.

    Raises:
        ValueError: there is no checkpoint.
    """
    prefix = str(path)
    if pathlib.Path(prefix).is_dir():
        prefix = tf.train.latest_checkpoint(prefix) or prefix
    if not pathlib.Path(f"{prefix}.index").is_file():
        raise ValueError(
            f"There is no checkpoint {path}: {path}.index is missing. Give the "
            "prefix, without .index or .data-*."
        )
    return prefix


def read_original(prefix: str, averaged: bool = True) -> Weights:
    """Reads the model of a TF1 checkpoint of the original.

    Optimizer slots and counters are left out.

    Args:
        prefix: of the checkpoint's files.
        averaged: the moving averages of the weights, which the original
            evaluates with, or the raw weights.

    Raises:
        InputError: the files are damaged, or hold no model of the original,
            or no averages.
    """
    try:
        return _read_original(prefix, averaged)
    except (tf.errors.OpError, RuntimeError, IndexError) as error:
        reason = str(error).strip().split("\n")[0]
        raise InputError(
            f"{prefix} cannot be read; are its files whole? {reason}"
        ) from error


def _read_original(prefix: str, averaged: bool) -> Weights:
    reader = tf.train.load_checkpoint(prefix)
    names = set(reader.get_variable_to_shape_map())
    scopes = [
        name.removesuffix(_A_SCOPED_NAME)
        for name in names
        if name.endswith(_A_SCOPED_NAME)
    ]
    if len(scopes) != 1:
        raise InputError(
            f"{prefix} is no EfficientNet of the original: it has "
            f"{len(scopes)} variables MODEL{_A_SCOPED_NAME}, not one."
        )
    scope = f"{scopes[0]}/"
    # Slots and averages are named under the variable that they belong to.
    own = [
        name
        for name in names
        if name.startswith(scope) and name.rpartition("/")[0] not in names
    ]
    suffix = _AVERAGED if averaged else ""
    found = [name for name in own if name + suffix in names]
    if not found:
        raise InputError(f"{prefix} has no averaged weights; use the raw ones.")
    return {
        name.removeprefix(scope): reader.get_tensor(name + suffix)
        for name in found
    }


def assign(
    model: keras.Model,
    weights: Weights,
    source: str,
    allow_new_head: bool = False,
) -> bool:
    """Puts weights into a model, all or none.

    Args:
        model: of `build_model`.
        weights: by original name; changed in nothing.
        source: where they are from, for messages.
        allow_new_head: keep the model's own fresh classifier where that of
            the weights is missing or of another number of classes.

    Returns:
        Whether the classifier is fresh.

    Raises:
        InputError: weights are missing, left over or of another shape; all
            of them are listed and nothing is assigned.
    """
    variables = original_names.variables_by_name(model)
    fresh_head = allow_new_head and any(
        name not in weights or weights[name].shape != variables[name].shape
        for name in original_names.HEAD
    )
    if fresh_head:
        for name in original_names.HEAD:
            del variables[name]
    ignored = original_names.HEAD if fresh_head else ()
    complaints = _complaints(variables, weights, ignored)
    if complaints:
        raise InputError(
            "\n  ".join(
                [
                    f"{source} does not fit {model.name}; nothing was changed:",
                    *complaints.values(),
                    _hint(complaints, weights),
                ]
            )
        )
    for name, variable in variables.items():
        variable.assign(weights[name])
    return fresh_head


def _complaints(variables, weights: Weights, ignored) -> dict[str, str]:
    """What does not fit, by name."""
    missing = {
        name: f"missing: {name}" for name in variables if name not in weights
    }
    left_over = {
        name: f"left over: {name}"
        for name in sorted(weights)
        if name not in variables and name not in ignored
    }
    other_shapes = {
        name: f"of another shape: {name} is {weights[name].shape}, not "
        f"{tuple(variable.shape)}"
        for name, variable in variables.items()
        if name in weights and weights[name].shape != tuple(variable.shape)
    }
    return missing | left_over | other_shapes


def _hint(wrong: dict[str, str], weights: Weights) -> str:
    """What to do about it."""
    if wrong.keys() <= set(original_names.HEAD):
        return (
            "Only the classifier differs: set num_label_classes, or "
            "allow_new_head for a fresh one."
        )
    blocks = {name.split("/")[0] for name in weights if "blocks_" in name}
    return (
        f"The weights are of a model with {len(blocks)} blocks: check "
        "model_name, width_coefficient, depth_coefficient and their source."
    )

"""Weights and models that were trained before.

They come from files of this program or from TF1 checkpoints of the original.
"""

import dataclasses
import pathlib

import keras
import numpy as np

from noisy_student.config import NOTHING_FROZEN, ModelConfig
from noisy_student.errors import InputError
from noisy_student.files.run_directory import MODEL_FILE
from noisy_student.models import efficientnet, saved
from noisy_student.models.importers import original, weights


def resolve_model_path(
    path: str | pathlib.Path, checkpoints: bool = True
) -> str:
    """Returns the file, or the prefix of a checkpoint, that a path means.

    Args:
        path: a `.keras` file, a run directory with one, or the prefix or
            directory of a TF1 checkpoint of the original.
        checkpoints: whether checkpoints of the original will do.

    Raises:
        ValueError: there is none of these.
    """
    in_directory = pathlib.Path(path) / MODEL_FILE
    if in_directory.is_file():
        return str(in_directory)
    if _is_keras_file(path) or not checkpoints:
        saved.check_model_file(pathlib.Path(path))
        return str(path)
    try:
        return original.checkpoint_prefix(path)
    except ValueError as error:
        raise ValueError(
            f"{path} is neither a .keras file, nor a directory with "
            f"{MODEL_FILE}, nor a checkpoint of the original."
        ) from error


def _is_keras_file(path: str | pathlib.Path) -> bool:
    return pathlib.Path(path).suffix == ".keras"


def read_weights(path: str) -> weights.Weights:
    """Reads weights by their original names.

    Of a checkpoint of the original these are the moving averages.

    Args:
        path: from `resolve_model_path`.

    Raises:
        InputError: the file is damaged, or holds no EfficientNet of this
            program or the original.
    """
    if not _is_keras_file(path):
        return original.read(path)
    model = saved.load_model(path)
    try:
        variables = weights.variables_by_name(model)
    except (ValueError, AttributeError) as error:
        raise InputError(
            f"{path} is no EfficientNet of this program: {error}"
        ) from error
    return {name: np.array(value) for name, value in variables.items()}


def check_fits(path: str, config: ModelConfig, allow_new_head: bool) -> None:
    """Refuses weights that do not fit a model, which it builds to see.

    Args:
        path: from `resolve_model_path`.
        config: the model.
        allow_new_head: see `assign`.

    Raises:
        InputError: see `read_weights` and `assign`.
    """
    model = efficientnet.build_model(config)
    weights.assign(model, read_weights(path), path, allow_new_head)


def load_teacher(
    path: str, name: str | None, student: ModelConfig
) -> keras.Model:
    """Loads a model that labels images in the training step.

    None of its weights is trainable. Call in the scope of the strategy.

    Args:
        path: from `resolve_model_path`.
        name: which EfficientNet it is. Needed for a checkpoint, whose model
            is built with the student's overrides, as in the original.
        student: gives the classes, the normalisation and the overrides.

    Returns:
        A model from images in [0, 255] to float32 logits.

    Raises:
        ValueError: the name is missing, or another than the file's.
        InputError: the file is damaged, or has another number of classes.
    """
    if _is_keras_file(path):
        model = saved.load_model(path)
        if name is not None and model.name != name.replace("-", "_"):
            raise ValueError(
                f"teacher_model_path {path} is a {model.name}; got "
                f"teacher_model_name={name}."
            )
    else:
        if name is None:
            raise ValueError(
                f"teacher_model_path {path} is a checkpoint of the original: "
                "set teacher_model_name."
            )
        config = dataclasses.replace(
            student, model_name=name, fix_layer_num=NOTHING_FROZEN
        )
        model = efficientnet.build_model(config)
        weights.assign(model, original.read(path), path)
    classes = model.output_shape[-1]
    if classes != student.num_classes:
        raise InputError(
            f"The teacher {path} knows {classes} classes, and the student's "
            f"task has {student.num_classes}."
        )
    model.trainable = False
    return model

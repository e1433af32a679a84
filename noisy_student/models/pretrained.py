"""Weights and models that were trained before.

Files of this program, and TF1 checkpoints of the original.
"""

import dataclasses
import pathlib

import keras
import numpy as np

from noisy_student.config import NOTHING_FROZEN, ModelConfig
from noisy_student.errors import InputError
from noisy_student.files.run_directory import MODEL_FILE
from noisy_student.models import efficientnet, original_names, saved, weights


def find(path: str) -> str:
    """The file, or the prefix of a checkpoint, that a path means.

    Args:
        path: a `.keras` file, a run directory with one, or the prefix or
            directory of a TF1 checkpoint of the original.

    Raises:
        ValueError: there is none of these.
    """
    model = pathlib.Path(path) / MODEL_FILE
    if model.is_file():
        return str(model)
    if _is_file_of_ours(path):
        saved.check_model_file(pathlib.Path(path))
        return path
    try:
        return weights.check_checkpoint(path)
    except ValueError as error:
        raise ValueError(
            f"{path} is neither a .keras file, nor a directory with "
            f"{MODEL_FILE}, nor a checkpoint of the original."
        ) from error


def _is_file_of_ours(path: str) -> bool:
    return pathlib.Path(path).suffix == ".keras"


def read_weights(path: str) -> weights.Weights:
    """Weights by their original names; averaged ones of the original's.

    Args:
        path: of `find`.

    Raises:
        InputError: the file is damaged, or no EfficientNet of ours or the
            original's.
    """
    if not _is_file_of_ours(path):
        return weights.read_original(path)
    model = saved.load_model(path)
    try:
        variables = original_names.variables_by_name(model)
    except (ValueError, AttributeError) as error:
        raise InputError(
            f"{path} is no EfficientNet of this program: {error}"
        ) from error
    return {name: np.array(value) for name, value in variables.items()}


def check_fits(path: str, config: ModelConfig, allow_new_head: bool) -> None:
    """Refuses weights that do not fit a model; builds it, to be thrown away.

    Raises:
        InputError: see `weights.assign`.
    """
    model = efficientnet.build_model(config)
    weights.assign(model, read_weights(path), path, allow_new_head)


def load_teacher(
    path: str, name: str | None, student: ModelConfig
) -> keras.Model:
    """A model that labels in the step; nothing of it is trainable.

    Call in the scope of the strategy.

    Args:
        path: of `find`.
        name: which EfficientNet it is; needed of a checkpoint, which is
            built with the student's overrides, as in the original.
        student: gives the classes, the normalisation and the overrides.

    Returns:
        Images in [0, 255] to float32 logits.

    Raises:
        ValueError: the name is missing, or another than the file's.
        InputError: the file is damaged, or its classes are others.
    """
    if _is_file_of_ours(path):
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
        weights.assign(model, weights.read_original(path), path)
    classes = model.output_shape[-1]
    if classes != student.num_classes:
        raise InputError(
            f"The teacher {path} knows {classes} classes, and the student's "
            f"task has {student.num_classes}."
        )
    model.trainable = False
    return model

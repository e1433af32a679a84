"""Weights and models that were trained before.

They come from files of this program, from TF1 checkpoints of the original or
from files of weights of other programs.
"""

import dataclasses

import keras
import numpy as np
from etils import epath

from noisy_student.config import NOTHING_FROZEN, PRETRAINED, ModelConfig
from noisy_student.config.paths import to_path
from noisy_student.errors import InputError
from noisy_student.files import remote, stamps
from noisy_student.files.run_directory import MODEL_FILE
from noisy_student.models import custom, named_weights, networks, saved
from noisy_student.models.importers import (
    keras_applications,
    original,
    pytorch,
    tensor_files,
    weights,
)

_OF_KERAS = ".h5"
_OTHERS = (*tensor_files.SUFFIXES, _OF_KERAS)


def resolve_model_path(path: str | epath.Path) -> str:
    """Returns the file, or the prefix of a checkpoint, that a path means.

    Args:
        path: a `.keras` file, a run directory with one, the prefix or
            directory of a TF1 checkpoint of the original, or a file of weights
            (.safetensors, .pth, or Keras' .h5).

    Raises:
        ValueError: there is none of these.
    """
    in_directory = to_path(path) / MODEL_FILE
    if in_directory.is_file():
        return str(in_directory)
    if _is_keras_file(path) or _is_other(path):
        saved.check_model_file(to_path(path))
        return str(path)
    try:
        return original.checkpoint_prefix(path)
    except ValueError as error:
        others = remote.glob(to_path(path), "*.index")
        hint = (
            f" Name one in it, {others[0].with_suffix('')}." if others else ""
        )
        raise ValueError(
            f"There is no model at {path}: {path} is neither a .keras file, "
            f"nor one of weights ({', '.join(_OTHERS)}), nor a directory with "
            f"{MODEL_FILE}, nor a checkpoint of the original.{hint}"
        ) from error


def _is_keras_file(path: str | epath.Path) -> bool:
    return to_path(path).suffix == ".keras"


def _is_other(path: str | epath.Path) -> bool:
    return to_path(path).suffix in _OTHERS


def digest(path: str | epath.Path) -> str:
    """Tells a model from others by the content of its files.

    Args:
        path: from `resolve_model_path`.
    """
    if _is_keras_file(path) or _is_other(path):
        return stamps.digest([to_path(path)])
    return stamps.digest(original.checkpoint_files(str(path)))


def read_weights(path: str, config: ModelConfig) -> weights.Weights:
    """Reads weights by their original names.

    Of a checkpoint of the original these are the moving averages.

    Args:
        path: from `resolve_model_path`.
        config: the model, which a file of Keras' weights does not tell.

    Raises:
        InputError: the file is damaged, or holds no EfficientNet that is
            known here.
    """
    file = to_path(path)
    if file.suffix in tensor_files.SUFFIXES:
        return pytorch.read(file)
    if file.suffix == _OF_KERAS:
        plain = ModelConfig(config.model_name)
        return keras_applications.read(keras_applications.load(file, plain))
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


def start_from(
    given: str, model: keras.Model, config: ModelConfig, allow_new_head: bool
) -> bool:
    """Puts the weights of `--init_weights` into a model.

    Args:
        given: one of `config.PRETRAINED`, or see `resolve_model_path`.
        model: made by `build_model` of the settings.
        config: the settings.
        allow_new_head: see `assign`; the weights of a name allow it always.

    Returns:
        Whether the classifier is fresh.

    Raises:
        ValueError: there is no such file.
        InputError: see `named_weights.find`, `read_weights` and `assign`.
    """
    if custom.is_custom(config.model_name):
        path = given if given in PRETRAINED else resolve_model_path(given)
        return custom.start_from(path, model, config, allow_new_head)
    if given in PRETRAINED:
        path = named_weights.find(given, config.model_name)
        allow_new_head = True
    else:
        path = resolve_model_path(given)
    arrays = read_weights(path, config)
    return weights.assign(model, arrays, path, allow_new_head)


def check_fits(given: str, config: ModelConfig, allow_new_head: bool) -> None:
    """Refuses weights that do not fit a model, which it builds to see.

    Args and errors are those of `start_from`.
    """
    model = networks.build_model(config)
    start_from(given, model, config, allow_new_head)


def check_pretrained(path: str, config: ModelConfig) -> None:
    """Refuses a checkpoint that `load_pretrained` could not load.

    A `.keras` file says itself what it is of, and is only looked at there.

    Args:
        path: see `load_pretrained`.
        config: see `load_pretrained`.

    Raises:
        ValueError: there is no model of this name.
        InputError: the checkpoint is damaged or of another model; what
            differs is listed.
    """
    if not _is_keras_file(path):
        check_fits(path, config, allow_new_head=False)


def load_pretrained(
    path: str, config: ModelConfig, side: int | None = None
) -> keras.Model:
    """Loads a trained model. Call in the scope of the strategy.

    Args:
        path: from `resolve_model_path`.
        config: of a checkpoint or a file of weights, which does not say it
            itself, the model: its name, overrides, resolution and
            normalisation. Of a `.keras` file only the classes must be these.
        side: side in pixels of the images that the model is to take; None
            for its own.

    Returns:
        A model from images in [0, 255] to float32 logits.

    Raises:
        ValueError: a checkpoint needs a known `config.model_name`.
        InputError: the file is damaged, or of another model or another
            number of classes.
    """
    if not _is_keras_file(path):
        config = dataclasses.replace(
            config,
            fix_layer_num=NOTHING_FROZEN,
            input_image_size=side or config.input_image_size,
        )
        model = networks.build_model(config)
        weights.assign(model, read_weights(path, config), path)
        return model
    model = saved.load_model(path, side)
    classes = model.output_shape[-1]
    if classes != config.num_classes:
        raise InputError(
            f"The model {path} knows {classes} classes, and the task has "
            f"{config.num_classes}."
        )
    return model


def load_teacher(
    path: str, name: str | None, config: ModelConfig
) -> keras.Model:
    """Loads a model that labels images in the training step.

    None of its weights is trainable. Call in the scope of the strategy.

    Args:
        path: from `resolve_model_path`.
        name: which EfficientNet it is. Needed for a checkpoint, whose model
            has the overrides of the student's, as in the original.
        config: of the student, at the resolution of the task's images.

    Returns:
        A model from images in [0, 255] to float32 logits.

    Raises:
        ValueError: the name is missing, or another than the file's.
        InputError: see `load_pretrained`.
    """
    if name is not None:
        config = dataclasses.replace(config, model_name=name)
    elif not _is_keras_file(path):
        raise ValueError(
            f"teacher_model_path {path} does not say which model it is: set "
            "teacher_model_name."
        )
    model = load_pretrained(path, config)
    if name is not None and model.name != name.replace("-", "_"):
        raise ValueError(
            f"teacher_model_path {path} is a {model.name}; got "
            f"teacher_model_name={name}."
        )
    model.trainable = False
    return model

"""Models on disk: `.keras` files, which need no side information."""

import pathlib

import keras

from noisy_student.errors import InputError
from noisy_student.files import writing
from noisy_student.models import blocks  # noqa: F401 (registers its classes)


def check_model_file(path: pathlib.Path) -> None:
    """Refuses a path without a model.

    Raises:
        ValueError: there is no such file.
    """
    if not path.is_file():
        raise ValueError(
            f"There is no model at {path}; mode=train and mode=self_train "
            "leave one as model.keras in their model_dir."
        )


def save_model(model: keras.Model, path: pathlib.Path) -> None:
    """Writes a model; there is nothing at `path` until it is whole.

    Raises:
        InputError: the disk has no room, or the like.
    """
    with writing.replacing(path) as temporary:
        model.save(temporary)


def load_model(path: str | pathlib.Path) -> keras.Model:
    """Loads a model that training left.

    Returns:
        A model from RGB in [0, 255], uint8 or float (batch, side, side, 3),
        to float32 logits (batch, classes).

    Raises:
        ValueError: there is no such file.
        InputError: the file is not a Keras model.
    """
    check_model_file(pathlib.Path(path))
    try:
        return keras.saving.load_model(path, compile=False)
    except (ValueError, OSError, TypeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise InputError(f"{path} is no Keras model: {reason}") from error

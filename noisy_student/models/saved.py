"""Models on disk: `.keras` files, which need no other information."""

import contextlib
import struct
import zipfile
import zlib
from collections.abc import Iterator

import keras
from etils import epath

from noisy_student.config.paths import to_path
from noisy_student.errors import InputError
from noisy_student.files import remote, writing
from noisy_student.models import blocks  # noqa: F401 (registers its classes)

# What Keras, zipfile, h5py and json raise for damaged files.
_DAMAGE: tuple[type[Exception], ...] = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


@contextlib.contextmanager
def damage_named(
    complaint: str, *more_errors: type[Exception]
) -> Iterator[None]:
    """Turns the errors of a block that reads a file into one line.

    Args:
        complaint: what to say of the file; the reason follows.
        *more_errors: that the block raises besides those of Keras.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        yield
    except InputError:
        raise
    except _DAMAGE + more_errors as error:
        reason = str(error).strip().split("\n")[0]
        raise InputError(f"{complaint} {reason}") from error


def check_model_file(path: epath.Path) -> None:
    """Refuses a path without a file.

    Raises:
        ValueError: there is no such file.
    """
    if not path.is_file():
        raise ValueError(
            f"There is no model at {path}; mode=train and mode=self_train "
            "leave one as model.keras in their model_dir."
        )


def save_model(model: keras.Model, path: epath.Path) -> None:
    """Writes a model; there is nothing at `path` until it is whole.

    Raises:
        InputError: the file cannot be written, e.g. because the disk is full.
    """
    # h5py raises RuntimeError for some failures of the disk.
    with writing.replacing(path, (OSError, RuntimeError)) as temporary:
        model.save(temporary)


def load_model(
    path: str | epath.Path, input_side: int | None = None
) -> keras.Model:
    """Loads a model that training left.

    Args:
        path: the `.keras` file.
        input_side: side in pixels of the images that the model is to take,
            with the same weights; None for those that it was trained on.

    Returns:
        A model from RGB in [0, 255], uint8 or float (batch, side, side, 3),
        to float32 logits (batch, classes).

    Raises:
        ValueError: there is no such file.
        InputError: the file is no Keras model, or damaged.
    """
    path = to_path(path)
    check_model_file(path)
    with (
        damage_named(f"{path} is no Keras model:"),
        remote.local_copy(path) as local,
    ):
        # Keras would say that there is no such file.
        if path.suffix == ".keras" and not zipfile.is_zipfile(local):
            raise ValueError("it is no zip archive; is the file whole?")
        model = keras.saving.load_model(local, compile=False)
    if input_side in (None, model.input_shape[1]):
        return model
    images = keras.Input((input_side, input_side, 3), name="image")
    resized = keras.models.clone_model(model, input_tensors=images)
    resized.set_weights(model.get_weights())
    return resized

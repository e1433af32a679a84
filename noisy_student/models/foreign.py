"""Models that this program did not make, as models of images to logits."""

import contextlib
import math
import zipfile

import keras
import numpy as np
import tensorflow as tf
from etils import epath
from keras import ops

from noisy_student.config.evaluation import INPUT_RANGES, EvaluationConfig
from noisy_student.config.paths import to_path
from noisy_student.errors import InputError
from noisy_student.files import remote, stamps

_TINY = 1e-30  # keeps the logarithm of a probability of 0 finite
_SIGNATURE = "serving_default"


def scope_of(
    path: str, strategy: tf.distribute.Strategy
) -> contextlib.AbstractContextManager:
    """Returns the scope to load a model in.

    That of a SavedModel is no strategy's: loaded in one, its functions could
    only be called by replicas.
    """
    if to_path(path).is_dir():
        return contextlib.nullcontext()
    return strategy.scope()


def load_foreign(
    config: EvaluationConfig, num_classes: int | None, side: int | None
) -> keras.Model:
    """Loads the model of `model_path`. Call it in `scope_of`.

    Args:
        config: Where it is, and which pixels and outputs it has.
        num_classes: Number of classes that it must have; None for any.
        side: Side in pixels of its images; None for what it says itself.

    Returns:
        A model from images, float (batch, side, side, 3) in [0, 255], to
        float32 logits (batch, classes).

    Raises:
        InputError: It cannot be loaded, or does not take such images or give
            so many classes; `model_output` is not what it returns.
    """
    path = to_path(str(config.model_path))
    model = _load_saved_model(path) if path.is_dir() else _load_keras(path)
    side = side or _side_of(model, path)
    low, high = INPUT_RANGES[config.model_input_range]
    images = keras.Input((side, side, 3), name="images")
    pixels = images * ((high - low) / 255) + low
    try:
        outputs = model(pixels)
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{path} does not take images of {side} x {side} pixels, float32 "
            f"(batch, {side}, {side}, 3): {_first_line(error)}"
        ) from error
    outputs = _one_output(outputs, config)
    _check_shape(outputs, num_classes, path)
    outputs = ops.cast(outputs, "float32")
    _check_output(keras.Model(images, outputs), config)
    if config.model_output == "probabilities":
        outputs = _to_logits(model, pixels, outputs)
    return keras.Model(images, outputs)


def _to_logits(
    model: keras.layers.Layer,
    pixels: keras.KerasTensor,
    probabilities: keras.KerasTensor,
) -> keras.KerasTensor:
    """What a softmax at the end takes; else logarithms of the probabilities.

    A probability that rounds to 0 or 1 has no gradient, so that attacks by way
    of the logarithm are weaker.
    """
    last = model.layers[-1] if isinstance(model, keras.Model) else None
    if last is None or last.output is not model.output:
        return ops.log(ops.maximum(probabilities, _TINY))
    if isinstance(last, keras.layers.Softmax):
        return keras.Model(model.inputs, last.input)(pixels)
    if getattr(last, "activation", None) is keras.activations.softmax:
        last.activation = keras.activations.linear
        return model(pixels)
    return ops.log(ops.maximum(probabilities, _TINY))


def digest(path: str | epath.Path) -> str:
    """Tells a model from others by the content of its files.

    Args:
        path: A `.keras` file or a SavedModel.
    """
    given = to_path(path)
    files = remote.files_below(given) if given.is_dir() else [given]
    return stamps.digest(files)


def check_input_range(
    config: EvaluationConfig,
    model: keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
) -> None:
    """Refuses `model_input_range` where the model knows images in another.

    Pixels of a wrong range raise no error, but most answers are wrong then.

    Args:
        config: What is declared.
        model: From `load_foreign`.
        images: Some images, (batch, side, side, 3), in [0, 255].
        labels: Their classes, int (batch,).

    Raises:
        InputError: In another range, significantly more images are classified
            correctly (McNemar's test, three standard deviations).
    """
    low, high = INPUT_RANGES[config.model_input_range]
    correct = {}
    for name, (other_low, other_high) in INPUT_RANGES.items():
        # What the model maps to this range instead of the declared one.
        pixels = images * ((other_high - other_low) / 255) + other_low
        mapped = (pixels - low) * (255 / (high - low))
        logits = model(mapped.astype(np.float32), training=False)
        correct[name] = np.argmax(logits, axis=-1) == labels
    declared = correct[config.model_input_range]
    best = max(correct, key=lambda name: correct[name].sum())
    differing = (correct[best] != declared).sum()
    if correct[best].sum() - declared.sum() > 3 * math.sqrt(differing):
        raise InputError(
            f"{config.model_path} classifies {declared.sum()} of {len(labels)} "
            "test images correctly with pixels in "
            f"{config.model_input_range}, as declared, and "
            f"{correct[best].sum()} in {best}; set model_input_range={best}."
        )


def _load_keras(path: epath.Path) -> keras.Model:
    if not path.is_file():
        raise InputError(
            f"model_path: there is no {path}; name a .keras file or a "
            "SavedModel."
        )
    with remote.local_copy(path) as local:
        return _load_archive(path, local)


def _load_archive(path: epath.Path, local: epath.Path) -> keras.Model:
    """Loads the file of a model, or its copy on this machine."""
    if not zipfile.is_zipfile(local):
        raise InputError(
            f"model_path: {path} is no .keras file, which is a zip archive; "
            "is it another kind of file, or damaged?"
        )
    try:
        return keras.models.load_model(local, compile=False)
    except (ValueError, TypeError, OSError, KeyError) as error:
        raise InputError(
            f"{path} is no .keras file that can be loaded here: "
            f"{_first_line(error)}"
        ) from error


def _load_saved_model(path: epath.Path) -> keras.layers.Layer:
    if not (path / "saved_model.pb").exists():
        below = [
            file
            for file in remote.files_below(path)
            if file.name == "saved_model.pb"
        ]
        hint = f"{below[0].parent}" if below else "a SavedModel or .keras file"
        raise InputError(
            f"{path} is no SavedModel: it has no saved_model.pb; name {hint}."
        )
    try:
        return keras.layers.TFSMLayer(str(path), call_endpoint=_SIGNATURE)
    except (ValueError, OSError) as error:
        raise InputError(
            f"{path} cannot be loaded by its signature {_SIGNATURE}: "
            f"{_first_line(error)}"
        ) from error


def _side_of(model: keras.layers.Layer, path: epath.Path) -> int:
    """The side of the images that a model says it takes.

    Raises:
        InputError: It takes any.
    """
    match getattr(model, "input_shape", None):
        case (_, int(height), int(width), _) if height == width:
            return height
    raise InputError(
        f"{path} does not say the side of its images; set input_image_size."
    )


def _one_output(
    outputs: keras.KerasTensor | list | dict[str, keras.KerasTensor],
    config: EvaluationConfig,
) -> keras.KerasTensor:
    """The output of the name that is declared, or the only one."""
    if isinstance(outputs, (list, tuple)):
        outputs = {f"output {i}": each for i, each in enumerate(outputs)}
    if not isinstance(outputs, dict):
        return outputs
    if config.model_output in outputs:
        return outputs[config.model_output]
    if len(outputs) > 1:
        raise InputError(
            f"{config.model_path} returns {', '.join(sorted(outputs))}: one "
            f"output, or one of the name {config.model_output}, is needed."
        )
    [output] = outputs.values()
    return output


def _check_shape(
    outputs: keras.KerasTensor, num_classes: int | None, path: epath.Path
) -> None:
    shape = tuple(outputs.shape)
    if len(shape) == 2 and num_classes in (None, shape[-1]):
        return
    needed = num_classes or "classes"
    the_task = (
        f", and the task has {num_classes} classes" if num_classes else ""
    )
    raise InputError(
        f"{path} returns {shape}{the_task}: (batch, {needed}) is needed."
    )


def _check_output(model: keras.Model, config: EvaluationConfig) -> None:
    """Refuses logits that are called probabilities, and the reverse."""
    images = np.random.default_rng(0).uniform(
        0, 255, (2, *model.input_shape[1:])
    )
    rows = np.asarray(model(images.astype(np.float32), training=False))
    sums = rows.sum(axis=-1)
    found = (
        "probabilities"
        if (rows >= 0).all() and np.allclose(sums, 1, atol=1e-3)
        else "logits"
    )
    if found != config.model_output:
        raise InputError(
            f"{config.model_path} returns {found}, rows whose sums are "
            f"{', '.join(f'{each:.3g}' for each in sums)}; set "
            f"model_output={found}."
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]

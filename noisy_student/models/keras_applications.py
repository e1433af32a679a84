"""Weights of Keras' own EfficientNets under the original's names.

`keras.applications` builds the same network of stock layers, with the
normalisation of images in weights of its own.
"""

import dataclasses
import pathlib
import re

import h5py
import keras
import numpy as np

from noisy_student.config import ModelConfig
from noisy_student.errors import InputError
from noisy_student.models import efficientnet, original_names
from noisy_student.models.weights import Weights
from noisy_student.tasks import IMAGENET_STD

# Of the images that show how a source of any size normalises.
_ANY_SIDE = 32


def load(path: pathlib.Path, config: ModelConfig) -> keras.Model:
    """Loads a model of `keras.applications`.

    Args:
        path: a `.keras` file of a whole model, or `.h5` of its weights.
        config: the model that a file of weights is of.

    Raises:
        InputError: no such model, or Keras cannot read it.
    """
    try:
        if path.suffix == ".keras":
            return keras.saving.load_model(path, compile=False)
        model = _empty(path, config)
        model.load_weights(path)
        return model
    except InputError:
        raise
    except (ValueError, OSError, TypeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise InputError(
            f"{path} holds no weights of keras.applications' "
            f"{config.model_name}: {reason}"
        ) from error


def _empty(path: pathlib.Path, config: ModelConfig) -> keras.Model:
    letter = config.model_name.removeprefix("efficientnet-").upper()
    build = getattr(keras.applications, f"EfficientNet{letter}", None)
    overrides = (config.width_coefficient, config.depth_coefficient)
    if build is None or any(overrides) or config.small_image_model:
        raise InputError(
            "A file of weights can only be that of keras.applications' B0 to "
            f"B7 as they are; got {config.model_name}. Save the whole model "
            "as .keras instead."
        )
    classes = _num_classes(path)
    side = efficientnet.input_side(config)
    return build(
        include_top=classes is not None,
        weights=None,
        input_shape=(side, side, 3),
        classes=classes or 1000,
        classifier_activation=None,
    )


def _num_classes(path: pathlib.Path) -> int | None:
    """Classes of a file of weights; None where it has no classifier."""
    classes = []

    def visit(_: str, item: object) -> None:
        # The classifier's kernel is the only matrix.
        if isinstance(item, h5py.Dataset) and item.ndim == 2:
            classes.append(item.shape[1])

    with h5py.File(path) as file:
        file.visititems(visit)
    return classes[0] if classes else None


def read(source: keras.Model) -> Weights:
    """The weights of a model of `keras.applications`, by original name.

    Raises:
        InputError: the model is another one.
    """
    layers = {layer.name: layer for layer in source.layers}
    try:
        return _read(layers)
    except KeyError as error:
        raise InputError(
            f"{source.name} is no EfficientNet (B0 to B7) of "
            f"keras.applications: it has no layer {error}."
        ) from error


def _read(layers: dict[str, keras.Layer]) -> Weights:
    weights = _convolutions(layers, "stem", [("stem_conv", "stem_bn")])
    for index, prefix in enumerate(_block_prefixes(layers)):
        weights |= _block(layers, prefix, f"blocks_{index}")
    weights |= _convolutions(layers, "head", [("top_conv", "top_bn")])
    if "predictions" in layers:
        weights |= _with_bias(layers["predictions"], "head/dense")
    return weights


def with_normalization(config: ModelConfig, source: keras.Model) -> ModelConfig:
    """A model's settings with the mean and deviation that a source has.

    Raises:
        InputError: the source takes other images than RGB.
    """
    *sides, channels = source.input_shape[1:]
    if channels != 3:
        raise InputError(
            f"{source.name} takes images of {channels} channels, not 3."
        )
    normalize = keras.Model(
        source.input, source.get_layer("stem_conv_pad").input
    )
    sides = [side or _ANY_SIDE for side in sides]
    levels = np.zeros((2, *sides, channels), np.float32)
    levels[1] = 255
    black, white = normalize.predict_on_batch(levels)[:, 0, 0]
    std = 1 / (white - black)
    # Keras' weights for ImageNet keep the deviation where the variance
    # belongs, and the whole model divides by its root once more.
    if np.allclose(std**2, IMAGENET_STD, rtol=1e-3):
        std = std**2
        black = black / np.sqrt(IMAGENET_STD)
    mean = -black * std
    return dataclasses.replace(config, mean=_rgb(mean), std=_rgb(std))


def _rgb(values: np.ndarray) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _block_prefixes(layers: dict[str, keras.Layer]) -> list[str]:
    """`block1a_` and so on, in order."""
    matches = [re.match(r"block(\d+)([a-z])_", name) for name in layers]
    keys = {(int(m[1]), m[2]) for m in matches if m}
    return [f"block{stage}{letter}_" for stage, letter in sorted(keys)]


def _block(layers: dict[str, keras.Layer], prefix: str, name: str) -> Weights:
    convolutions = [
        (f"{prefix}expand_conv", f"{prefix}expand_bn"),
        (f"{prefix}dwconv", f"{prefix}bn"),
        (f"{prefix}project_conv", f"{prefix}project_bn"),
    ]
    if convolutions[0][0] not in layers:
        del convolutions[0]
    return (
        _convolutions(layers, name, convolutions)
        | _with_bias(layers[f"{prefix}se_reduce"], f"{name}/se/conv2d")
        | _with_bias(layers[f"{prefix}se_expand"], f"{name}/se/conv2d_1")
    )


def _convolutions(
    layers: dict[str, keras.Layer], scope: str, pairs: list[tuple[str, str]]
) -> Weights:
    """Convolutions and their norms, given by the names of the layers."""
    convolutions = [layers[name] for name, _ in pairs]
    norms = [layers[name] for _, name in pairs]
    depthwise = keras.layers.DepthwiseConv2D
    filters = [
        None if isinstance(layer, depthwise) else layer.filters
        for layer in convolutions
    ]
    names = original_names.convolution_names(scope, filters)
    weights: Weights = {}
    for layer, norm, (kernel_name, norm_name) in zip(
        convolutions, norms, names, strict=True
    ):
        weights[kernel_name] = np.array(layer.kernel)
        for part in original_names.NORM:
            weights[f"{norm_name}/{part}"] = np.array(getattr(norm, part))
    return weights


def _with_bias(layer: keras.Layer, name: str) -> Weights:
    return {
        f"{name}/kernel": np.array(layer.kernel),
        f"{name}/bias": np.array(layer.bias),
    }

"""Reads the EfficientNets of `keras.applications`.

Keras builds the same network of its own layers, with the normalisation of the
images in weights.
"""

import dataclasses
import pathlib
import re
from collections.abc import Mapping

import h5py
import keras
import numpy as np

from noisy_student.config import ModelConfig
from noisy_student.errors import InputError
from noisy_student.models import efficientnet, saved
from noisy_student.models.importers import names
from noisy_student.models.importers.names import Weights
from noisy_student.tasks import IMAGENET_STD

# Side of the images that show how a source of any size normalises.
_ANY_SIDE = 32

Layers = Mapping[str, keras.Layer]


def load(path: pathlib.Path, config: ModelConfig) -> keras.Model:
    """Loads a model of `keras.applications`.

    Args:
        path: a `.keras` file of a whole model, or an `.h5` file of weights.
        config: the model that the weights are of.

    Raises:
        InputError: there is no such model, or Keras cannot read the file.
    """
    complaint = (
        f"{path} holds no weights of keras.applications' {config.model_name}:"
    )
    with saved.damage_named(complaint):
        if path.suffix == ".keras":
            return keras.saving.load_model(path, compile=False)
        model = _build(config, _num_classes(path))
        model.load_weights(path)
        return model


def _build(config: ModelConfig, num_classes: int | None) -> keras.Model:
    """Builds the model of Keras; without a classifier if classes are None."""
    letter = config.model_name.removeprefix("efficientnet-").upper()
    build = getattr(keras.applications, f"EfficientNet{letter}", None)
    overrides = (config.width_coefficient, config.depth_coefficient)
    if build is None or any(overrides) or config.small_image_model:
        raise InputError(
            "A file of weights can only be that of keras.applications' B0 to "
            f"B7 as they are; got {config.model_name}. Save the whole model "
            "as .keras instead."
        )
    side = efficientnet.input_side(config)
    return build(
        include_top=num_classes is not None,
        weights=None,
        input_shape=(side, side, 3),
        classes=num_classes or 1000,
        classifier_activation=None,
    )


def _num_classes(path: pathlib.Path) -> int | None:
    """Classes of a file of weights; None if it has no classifier."""
    classes = []

    def visit(_: str, item: object) -> None:
        # The classifier's kernel is the only matrix.
        if isinstance(item, h5py.Dataset) and item.ndim == 2:
            classes.append(item.shape[1])

    with h5py.File(path) as file:
        file.visititems(visit)
    return classes[0] if classes else None


def read(source: keras.Model) -> Weights:
    """Returns the weights of a model of `keras.applications`.

    Raises:
        InputError: the model is another one.
    """
    layers = {layer.name: layer for layer in source.layers}
    try:
        weights = _convolutions(layers, "stem", [("stem_conv", "stem_bn")])
        for index, prefix in enumerate(_block_prefixes(layers)):
            weights |= _block(layers, prefix, f"blocks_{index}")
        weights |= _convolutions(layers, "head", [("top_conv", "top_bn")])
    except KeyError as error:
        raise InputError(
            f"{source.name} is no EfficientNet (B0 to B7) of "
            f"keras.applications: it has no layer {error}."
        ) from error
    if "predictions" in layers:
        weights |= _with_bias(layers["predictions"], "head/dense")
    return weights


def with_normalization(config: ModelConfig, source: keras.Model) -> ModelConfig:
    """Returns a model's settings with a source's mean and deviation.

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
    # Keras' weights for ImageNet have the deviation in the variance's place,
    # and the whole model divides by its root once more.
    if np.allclose(std**2, IMAGENET_STD, rtol=1e-3):
        std = std**2
        black = black / np.sqrt(IMAGENET_STD)
    mean = -black * std
    return dataclasses.replace(config, mean=_rgb(mean), std=_rgb(std))


def _rgb(values: np.ndarray) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _block_prefixes(layers: Layers) -> list[str]:
    """`block1a_` and so on, in order."""
    matches = [re.match(r"block(\d+)([a-z])_", name) for name in layers]
    keys = {(int(m[1]), m[2]) for m in matches if m}
    return [f"block{stage}{letter}_" for stage, letter in sorted(keys)]


def _block(layers: Layers, prefix: str, scope: str) -> Weights:
    convolutions = [
        (f"{prefix}expand_conv", f"{prefix}expand_bn"),
        (f"{prefix}dwconv", f"{prefix}bn"),
        (f"{prefix}project_conv", f"{prefix}project_bn"),
    ]
    if convolutions[0][0] not in layers:
        del convolutions[0]
    return (
        _convolutions(layers, scope, convolutions)
        | _with_bias(layers[f"{prefix}se_reduce"], f"{scope}/se/conv2d")
        | _with_bias(layers[f"{prefix}se_expand"], f"{scope}/se/conv2d_1")
    )


def _convolutions(
    layers: Layers, scope: str, pairs: list[tuple[str, str]]
) -> Weights:
    """Weights of convolutions and their norms, given by layer names."""
    depthwise = keras.layers.DepthwiseConv2D
    convolutions = [layers[name] for name, _ in pairs]
    original_names = names.convolution_names(
        scope,
        [None if isinstance(c, depthwise) else c.filters for c in convolutions],
    )
    weights: Weights = {}
    for convolution, (_, norm), (kernel_name, norm_name) in zip(
        convolutions, pairs, original_names, strict=True
    ):
        weights[kernel_name] = np.array(convolution.kernel)
        for name in names.NORM:
            value = getattr(layers[norm], name)
            weights[f"{norm_name}/{name}"] = np.array(value)
    return weights


def _with_bias(layer: keras.Layer, name: str) -> Weights:
    return {
        f"{name}/kernel": np.array(layer.kernel),
        f"{name}/bias": np.array(layer.bias),
    }

"""Reads the EfficientNets of `keras.applications`.

Keras builds the same network of its own layers, with the normalisation of the
images in weights.
"""

import dataclasses
import re
from collections.abc import Mapping

import h5py
import keras
import numpy as np
from etils import epath

from noisy_student.config import ModelConfig
from noisy_student.errors import InputError
from noisy_student.files import remote
from noisy_student.models import saved, scaling
from noisy_student.models.importers import weights
from noisy_student.models.importers.weights import Variables, Weights
from noisy_student.tasks import IMAGENET_STD

# Side of the images that show how a source of any size normalises.
_ANY_SIDE = 32

Layers = Mapping[str, keras.Layer]


def load(path: epath.Path, config: ModelConfig) -> keras.Model:
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
    with saved.damage_named(complaint), remote.local_copy(path) as local:
        if path.suffix == ".keras":
            return keras.saving.load_model(local, compile=False)
        model = _build(config, _num_classes(local))
        model.load_weights(local)
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
    side = scaling.get_scaling(config).resolution
    return build(
        include_top=num_classes is not None,
        weights=None,
        input_shape=(side, side, 3),
        classes=num_classes or 1000,
        classifier_activation=None,
    )


def _num_classes(path: epath.Path) -> int | None:
    """Classes of a file of weights; None if it has no classifier."""

    def classes(_: str, item: object) -> int | None:
        # The classifier's kernel is the only matrix.
        if isinstance(item, h5py.Dataset) and item.ndim == 2:
            return item.shape[1]
        return None

    with h5py.File(path) as file:
        return file.visititems(classes)


def read(source: keras.Model) -> Weights:
    """Returns the weights of a model of `keras.applications`.

    Raises:
        InputError: the model is another one.
    """
    layers = {layer.name: layer for layer in source.layers}
    try:
        named = _convolutions(layers, "stem", "stem_conv")
        for index, prefix in enumerate(_block_prefixes(layers)):
            named |= _block(layers, prefix, f"blocks_{index}")
        named |= _convolutions(layers, "head", "top_conv")
    except KeyError as error:
        raise InputError(
            f"{source.name} is no EfficientNet (B0 to B7) of "
            f"keras.applications: it has no layer {error}."
        ) from error
    if "predictions" in layers:
        logits = layers["predictions"]
        named |= zip(weights.HEAD, (logits.kernel, logits.bias), strict=True)
    return {name: np.array(variable) for name, variable in named.items()}


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
    return dataclasses.replace(
        config, mean=tuple(mean.tolist()), std=tuple(std.tolist())
    )


def _block_prefixes(layers: Layers) -> list[str]:
    """`block1a_` and so on, in order."""
    matches = [re.match(r"block(\d+)([a-z])_", name) for name in layers]
    keys = {(int(m[1]), m[2]) for m in matches if m}
    return [f"block{stage}{letter}_" for stage, letter in sorted(keys)]


def _block(layers: Layers, prefix: str, scope: str) -> Variables:
    names = [f"{prefix}{name}conv" for name in ("expand_", "dw", "project_")]
    if names[0] not in layers:
        del names[0]
    named = _convolutions(layers, scope, *names)
    reduce, expand = layers[f"{prefix}se_reduce"], layers[f"{prefix}se_expand"]
    return named | weights.name_squeeze_excite(
        scope, (reduce.kernel, reduce.bias), (expand.kernel, expand.bias)
    )


def _convolutions(layers: Layers, scope: str, *names: str) -> Variables:
    """Variables of convolutions, given by layer names, and their norms."""
    depthwise = keras.layers.DepthwiseConv2D
    found = [
        (layers[name], layers[re.sub("(dw)?conv$", "bn", name)])
        for name in names
    ]
    return weights.name_convolutions(
        scope, ((c.kernel, norm, isinstance(c, depthwise)) for c, norm in found)
    )

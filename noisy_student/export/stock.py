"""The same network of Keras' own layers alone, for inference.

Batch norms are part of the convolutions before them. Dropout and stochastic
depth, which inference has none of, are left out.
"""

import keras
import numpy as np

from noisy_student.errors import InputError
from noisy_student.models import blocks, dropout

_OURS = (blocks.NormalizeRGB, blocks.ConvNorm, blocks.Block)
# Keras' names of what follows a convolution.
_ACTIVATIONS = {None: None, "swish": "silu", "relu6": "relu6"}


def to_stock(model: keras.Model) -> keras.Model:
    """Builds a network again of Keras' own layers.

    Args:
        model: A model of `models.build_model`.

    Returns:
        A model from RGB in [0, 255], float32 (batch, side, side, 3), which
        accepts uint8 too, to the same logits, float32 (batch, classes).

    Raises:
        InputError: The model is a mixture of these and other layers.
    """
    images = keras.Input(model.input_shape[1:], name="images", dtype="float32")
    if not any(isinstance(layer, _OURS) for layer in model.layers):
        return _without_dropout(model, images)
    x = images
    for layer in model.layers[1:]:
        x = _stock_layer(layer, x)
    return keras.Model(images, x, name=model.name)


def _without_dropout(
    model: keras.Model, images: keras.KerasTensor
) -> keras.Model:
    """Builds a network from elsewhere again, without our dropout."""

    def convert(layer: keras.Layer) -> keras.Layer:
        if isinstance(layer, dropout.Dropout):
            return keras.layers.Identity(name=layer.name)
        return type(layer).from_config(layer.get_config())

    stock = keras.models.clone_model(model, images, clone_function=convert)
    stock.set_weights(model.get_weights())
    return stock


def in_float32(model: keras.Model) -> keras.Model:
    """Returns a network that computes all features in float32."""

    def convert(layer: keras.Layer) -> keras.Layer:
        return type(layer).from_config(layer.get_config() | {"dtype": None})

    converted = keras.models.clone_model(model, clone_function=convert)
    converted.set_weights(model.get_weights())
    return converted


def _stock_layer(layer: keras.Layer, x: keras.KerasTensor) -> keras.KerasTensor:
    """Applies what a layer does in inference."""
    match layer:
        case blocks.NormalizeRGB():
            return _normalization(layer)(x)
        case blocks.ConvNorm():
            return _convolution(layer, x, layer.name)
        case blocks.Block():
            return _block(layer, x)
        case keras.layers.GlobalAveragePooling2D():
            return keras.layers.GlobalAveragePooling2D(name=layer.name)(x)
        case dropout.Dropout():
            return x
        case keras.layers.Dense():
            dense = keras.layers.Dense(layer.units, name=layer.name)
            return _applied(dense, x, layer.get_weights())
    raise InputError(
        f"{layer.name} is a {type(layer).__name__}, which is no part of this "
        "program's EfficientNets; name a model made elsewhere by model_path."
    )


def _normalization(layer: blocks.NormalizeRGB) -> keras.Layer:
    """(x - mean) / deviation as a factor and a summand.

    ONNX Runtime refuses what becomes of Keras' Normalization.
    """
    mean = np.ravel(layer.mean).astype(float)
    std = np.sqrt(np.ravel(layer.variance).astype(float))
    return keras.layers.Rescaling(
        (1 / std).tolist(), (-mean / std).tolist(), name=layer.name
    )


def _convolution(
    layer: blocks.ConvNorm, x: keras.KerasTensor, name: str
) -> keras.KerasTensor:
    """Applies a convolution with the norm in its kernel and bias."""
    scale, offset = (np.asarray(part) for part in layer.norm.scale_and_offset())
    options = {
        "strides": layer.stride,
        "padding": "same",
        "activation": _ACTIVATIONS[layer.activation],
        "name": name,
    }
    if layer.filters is None:
        scale = scale[:, None]
        convolution = keras.layers.DepthwiseConv2D(layer.kernel_size, **options)
    else:
        convolution = keras.layers.Conv2D(
            layer.filters, layer.kernel_size, **options
        )
    return _applied(convolution, x, [np.asarray(layer.kernel) * scale, offset])


def _block(layer: blocks.Block, inputs: keras.KerasTensor) -> keras.KerasTensor:
    name = layer.name
    x = inputs
    if layer.expand is not None:
        x = _convolution(layer.expand, x, f"{name}_expand")
    x = _convolution(layer.depthwise, x, f"{name}_depthwise")
    if layer.se is not None:
        x = _squeeze_excite(layer.se, x, name)
    x = _convolution(layer.project, x, f"{name}_project")
    if not layer.has_skip:
        return x
    return keras.layers.Add(name=f"{name}_skip")([inputs, x])


def _squeeze_excite(
    layer: blocks.SqueezeExcite, x: keras.KerasTensor, name: str
) -> keras.KerasTensor:
    """`ops.swish_squeeze_excite`."""
    x = keras.layers.Activation("silu", name=f"{name}_swish")(x)
    gate = keras.layers.GlobalAveragePooling2D(
        keepdims=True, name=f"{name}_squeeze"
    )(x)
    for part, units, activation, weights in (
        (
            "reduce",
            layer.squeezed,
            "silu",
            (layer.reduce_kernel, layer.reduce_bias),
        ),
        (
            "gate",
            x.shape[-1],
            "sigmoid",
            (layer.expand_kernel, layer.expand_bias),
        ),
    ):
        dense = keras.layers.Conv2D(
            units, 1, activation=activation, name=f"{name}_{part}"
        )
        gate = _applied(dense, gate, [*map(np.asarray, weights)])
    return keras.layers.Multiply(name=f"{name}_excite")([x, gate])


def _applied(
    layer: keras.Layer, x: keras.KerasTensor, weights: list[np.ndarray]
) -> keras.KerasTensor:
    """Applies a layer to features, and gives it its weights."""
    outputs = layer(x)
    layer.set_weights(weights)
    return outputs

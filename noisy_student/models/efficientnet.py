"""EfficientNet as Noisy Student trains it, built of Keras layers.

The weights are created in the original's order and shapes. What a model's
name stands for is in `scaling.py`.
"""

import keras

from noisy_student.config import ModelConfig
from noisy_student.models import layers, scaling

_SE_RATIO = 0.25


def _convolution_initializer() -> keras.initializers.Initializer:
    """Normal with stddev sqrt(2 / (height * width * last axis)).

    The last axis is the number of filters, and of a depthwise kernel 1.
    """
    return keras.initializers.VarianceScaling(
        scale=2.0, mode="fan_out", distribution="untruncated_normal"
    )


def _classifier_initializer() -> keras.initializers.Initializer:
    """Uniform in ±1 / sqrt(classes)."""
    return keras.initializers.VarianceScaling(
        scale=1 / 3, mode="fan_out", distribution="uniform"
    )


def _convolution(inputs, filters, kernel_size, stride, name):
    return keras.layers.Conv2D(
        filters,
        kernel_size,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer=_convolution_initializer(),
        name=name,
    )(inputs)


def _depthwise_convolution(inputs, kernel_size, stride, name):
    return keras.layers.DepthwiseConv2D(
        kernel_size,
        strides=stride,
        padding="same",
        use_bias=False,
        depthwise_initializer=_convolution_initializer(),
        name=name,
    )(inputs)


def _norm(inputs, name):
    return layers.BatchNormalization(name=name)(inputs)


def _norm_swish(inputs, name):
    return keras.layers.Activation("silu", name=f"{name}_swish")(
        _norm(inputs, f"{name}_norm")
    )


def _squeeze_excite(inputs, squeezed_filters, name):
    """Scales channels by a gate computed from their means."""

    def dense(x, filters, activation, suffix):
        return keras.layers.Conv2D(
            filters,
            1,
            activation=activation,
            kernel_initializer=_convolution_initializer(),
            name=f"{name}_{suffix}",
        )(x)

    gate = keras.layers.GlobalAveragePooling2D(
        keepdims=True, name=f"{name}_pool"
    )(inputs)
    gate = dense(gate, squeezed_filters, "silu", "reduce")
    gate = dense(gate, inputs.shape[-1], "sigmoid", "expand")
    return keras.layers.Multiply(name=f"{name}_scale")([inputs, gate])


def _block(inputs, stage: scaling.Stage, stride, drop_rate, name):
    """An inverted residual block with squeeze-and-excitation (MBConv).

    Args:
        inputs: (batch, height, width, filters).
        stage: kernel size, expansion and output filters.
        stride: 1 or 2.
        drop_rate: probability of dropping the residual, where there is an
            identity skip.
        name: prefix of the layers' names.
    """
    input_filters = inputs.shape[-1]
    x = inputs
    if stage.expansion != 1:
        x = _convolution(
            x, input_filters * stage.expansion, 1, 1, f"{name}_expand"
        )
        x = _norm_swish(x, f"{name}_expand")
    x = _depthwise_convolution(
        x, stage.kernel_size, stride, f"{name}_depthwise"
    )
    x = _norm_swish(x, f"{name}_depthwise")
    squeezed = max(1, int(input_filters * _SE_RATIO))
    x = _squeeze_excite(x, squeezed, f"{name}_se")
    x = _convolution(x, stage.output_filters, 1, 1, f"{name}_project")
    x = _norm(x, f"{name}_project_norm")
    if stride == 1 and input_filters == stage.output_filters:
        x = layers.StochasticDepth(drop_rate, name=f"{name}_drop")(x)
        x = keras.layers.Add(name=f"{name}_add")([x, inputs])
    return x


def _blocks(x, stages: list[scaling.Stage], stochastic_depth_rate: float):
    """All blocks; block i of n is dropped with probability rate * i / n."""
    total = sum(stage.repeats for stage in stages)
    index = 0
    for stage in stages:
        for repeat in range(stage.repeats):
            stride = stage.stride if repeat == 0 else 1
            rate = stochastic_depth_rate * index / total
            x = _block(x, stage, stride, rate, f"blocks_{index}")
            index += 1
    return x


def input_side(config: ModelConfig) -> int:
    """Side of the images that a model takes, in pixels."""
    own = scaling.get_scaling(config.model_name).resolution
    return config.input_image_size or own


def build_model(config: ModelConfig) -> keras.Model:
    """Builds an EfficientNet with fresh weights.

    The model takes RGB in [0, 255], uint8 or float, of shape (batch, size,
    size, 3), normalises inside, and returns float32 logits (batch, classes).
    Stochastic depth and dropout are the model noise of the student (Noisy
    Student, section 2); with `training=False` both are off.

    Args:
        config: which model and how it is overridden.

    Raises:
        ValueError: the name is unknown.
    """
    scale = scaling.get_scaling(config.model_name)
    width = config.width_coefficient or scale.width
    depth = config.depth_coefficient or scale.depth
    dropout_rate = config.dropout_rate
    if dropout_rate is None:
        dropout_rate = scale.dropout_rate
    side = input_side(config)
    small = bool(config.small_image_model)
    stages = scaling.scale_stages(width, depth, small)

    images = keras.Input((side, side, 3), name="image")
    x = keras.layers.Normalization(
        mean=[255 * mean for mean in config.mean],
        variance=[(255 * std) ** 2 for std in config.std],
        name="normalize",
    )(images)
    stem_filters = scaling.scale_filters(scaling.STEM_FILTERS, width)
    x = _convolution(x, stem_filters, 3, 2, "stem")
    x = _norm_swish(x, "stem")
    x = _blocks(x, stages, config.stochastic_depth_rate)
    head_filters = scaling.scale_filters(scaling.HEAD_FILTERS, width)
    x = _convolution(x, head_filters, 1, 1, "head")
    x = _norm_swish(x, "head")
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dropout(dropout_rate, name="dropout")(x)
    logits = keras.layers.Dense(
        config.num_classes,
        kernel_initializer=_classifier_initializer(),
        dtype="float32",
        name="logits",
    )(x)
    name = config.model_name.replace("-", "_")
    return keras.Model(images, logits, name=name)

"""Builds EfficientNet as Noisy Student trains it, and EfficientNet-Lite.

The weights have the original's shapes and order. `scaling.py` knows what a
model's name stands for.
"""

import math

import keras

from noisy_student.config import NOTHING_FROZEN, ModelConfig
from noisy_student.models import batch_norm, blocks, dropout, scaling
from noisy_student.tasks import SMALL_SIDE


def _blocks(x, config: ModelConfig, stages: list[scaling.Stage], **kwargs):
    """Applies all blocks; block i of n drops with probability rate * i / n."""
    places = [(stage, i) for stage in stages for i in range(stage.repeats)]
    for index, (stage, repeat) in enumerate(places):
        drop_rate = config.stochastic_depth_rate * index / len(places)
        x = blocks.Block(
            input_filters=x.shape[-1],
            output_filters=stage.output_filters,
            kernel_size=stage.kernel_size,
            stride=stage.stride if repeat == 0 else 1,
            expansion=stage.expansion,
            # Keras saves Python's own numbers, not NumPy's, in configs.
            drop_rate=float(drop_rate),
            rematerialize=bool(config.remat),
            name=f"blocks_{index}",
            **kwargs,
        )(x)
    return x


def check_model(
    config: ModelConfig, replicas: int = 1, on_tpu: bool = False
) -> None:
    """Refuses a model that cannot be built or trained, without building it.

    Args:
        config: the model's settings.
        replicas: number of replicas that train it.
        on_tpu: whether these are cores of a TPU.

    Raises:
        ValueError: see `build_model`; or the replicas cannot be grouped.
    """
    _scaled_stages(config)
    batch_norm.replicas_per_group(replicas, config.num_shards_per_group, on_tpu)


def _scaled_stages(config: ModelConfig) -> list[scaling.Stage]:
    """Returns the stages with the overrides applied and checked."""
    scale = scaling.get_scaling(config)
    stages = scaling.scale_stages(
        scale.width, scale.depth, bool(config.small_image_model), scale.lite
    )
    smallest = scaling.STEM_STRIDE * math.prod(s.stride for s in stages)
    side = scale.resolution
    if side < smallest:
        advice = "" if config.small_image_model else " or small_image_model"
        raise ValueError(
            f"The strides of {config.model_name} need images of at least "
            f"{smallest}x{smallest} pixels; got input_image_size={side}. Use "
            f"larger images{advice}."
        )
    total = sum(stage.repeats for stage in stages)
    if config.fix_layer_num > total:
        raise ValueError(
            f"{config.model_name} has {total} blocks; got fix_layer_num="
            f"{config.fix_layer_num}."
        )
    return stages


def is_for_small_images(model: keras.Model) -> bool:
    """Whether a network is the variant of `small_image_model`.

    Of a network from elsewhere its side tells it.
    """
    whole = scaling.scale_stages(1.0, 1.0)
    strides = [
        layer.depthwise.stride
        for layer in model.layers
        if isinstance(layer, blocks.Block)
    ]
    if not strides:
        return model.input_shape[1] <= SMALL_SIDE
    return math.prod(strides) < math.prod(stage.stride for stage in whole)


def build_model(config: ModelConfig) -> keras.Model:
    """Builds an EfficientNet with fresh weights.

    Stochastic depth and dropout are the model noise of the student (Noisy
    Student, section 2); with `training=False` both are off. Features have
    `compute_precision`; weights, batch statistics and logits are float32.
    `fix_layer_num` freezes the stem and that many blocks:
    their weights are not trainable and their norms use the moving statistics.

    Args:
        config: which model to build, and its overrides.

    Returns:
        A model from RGB in [0, 255], uint8 or float (batch, side, side, 3),
        which it normalises itself, to float32 logits (batch, classes).

    Raises:
        ValueError: the name is unknown, the images are smaller than the
            strides allow, or there are fewer blocks than are to be frozen.
    """
    stages = _scaled_stages(config)
    scale = scaling.get_scaling(config)
    shared: dict = {
        "num_shards_per_group": int(config.num_shards_per_group),
        "dtype": config.dtype_policy,
    }

    def conv_norm(filters, kernel_size, stride, name):
        if not scale.lite:
            filters = scaling.scale_filters(filters, scale.width)
        activation = blocks.activation_of(scale.lite)
        return blocks.ConvNorm(
            filters, kernel_size, stride, activation, name=name, **shared
        )

    mean, std = scaling.normalization(config)
    images = keras.Input((scale.resolution,) * 2 + (3,), name="image")
    x = blocks.NormalizeRGB(
        mean=[255 * channel for channel in mean],
        variance=[(255 * channel) ** 2 for channel in std],
        name="normalize",
        dtype="float32",
    )(images)
    x = conv_norm(scaling.STEM_FILTERS, 3, scaling.STEM_STRIDE, "stem")(x)
    x = _blocks(x, config, stages, lite=scale.lite, **shared)
    x = conv_norm(scaling.HEAD_FILTERS, 1, 1, "head")(x)
    logits = _classify(x, config.num_classes, scale.dropout_rate)
    name = config.model_name.replace("-", "_")
    model = keras.Model(images, logits, name=name)
    if config.fix_layer_num != NOTHING_FROZEN:
        _freeze(model, config.fix_layer_num)
    return model


def _classify(
    features: keras.KerasTensor, num_classes: int, dropout_rate: float
) -> keras.KerasTensor:
    """From features (batch, height, width, channels) to logits, float32."""
    x = keras.layers.GlobalAveragePooling2D(name="pool", dtype="float32")(
        features
    )
    x = dropout.Dropout(dropout_rate, name="dropout", dtype="float32")(x)
    # Between -1 / sqrt(classes) and 1 / sqrt(classes).
    uniform = keras.initializers.VarianceScaling(1 / 3, "fan_out", "uniform")
    return keras.layers.Dense(
        num_classes, kernel_initializer=uniform, dtype="float32", name="logits"
    )(x)


def _freeze(model: keras.Model, num_blocks: int) -> None:
    for index in range(num_blocks):
        model.get_layer(f"blocks_{index}").trainable = False
    model.get_layer("stem").trainable = False

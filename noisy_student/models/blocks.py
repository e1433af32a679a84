"""EfficientNet's layers: convolution with norm, squeeze-and-excite, block.

Their weights are created in the original's order. The equations are in
`ops.py`. A layer's config is what Keras makes of its arguments.
"""

import functools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from noisy_student.config import DEFAULT_GROUPS
from noisy_student.models import batch_norm, dropout, ops, remat

_PACKAGE = "noisy_student"
_SE_RATIO = 0.25
_ACTIVATIONS = {"swish": ops.swish, "relu6": tf.nn.relu6}


def activation_of(lite: bool) -> str:
    """Returns which activation follows convolutions of a kind of network."""
    return "relu6" if lite else "swish"


def convolution_initializer() -> keras.initializers.Initializer:
    """Returns a normal one of stddev sqrt(2 / (height * width * last axis)).

    The last axis is the number of filters, or 1 for a depthwise kernel.
    """
    return keras.initializers.VarianceScaling(
        2.0, "fan_out", "untruncated_normal"
    )


@keras.saving.register_keras_serializable(_PACKAGE)
class NormalizeRGB(keras.layers.Normalization):
    """Keras' normalisation, which refuses images that are not RGB."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        if inputs.shape.rank != 4 or inputs.shape[-1] != 3:
            raise ValueError(
                "The model takes RGB images (batch, height, width, 3) in "
                f"[0, 255]; got shape {tuple(inputs.shape)}. Convert grey "
                "images with tf.image.grayscale_to_rgb."
            )
        return super().call(inputs)


@keras.saving.register_keras_serializable(_PACKAGE)
class ConvNorm(keras.layers.Layer):
    """A convolution with 'SAME' padding and without bias, then batch norm.

    Without batch statistics the norm is folded into the kernel, which saves
    inference a pass over the features.

    Args:
        filters: number of output channels; None makes a depthwise convolution.
        kernel_size: side of the kernel; odd.
        stride: 1 or 2.
        activation: what follows, "swish" or "relu6"; None for nothing.
        num_shards_per_group: see `batch_norm.replicas_per_group`.

    Call arguments:
        inputs: float (batch, height, width, channels).
        training: whether to normalise with the batch's statistics.
    """

    def __init__(
        self,
        filters: int | None,
        kernel_size: int = 1,
        stride: int = 1,
        activation: str | None = None,
        num_shards_per_group: int = DEFAULT_GROUPS,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.stride = stride
        self.activation = activation
        self.norm = batch_norm.BatchNormalization(
            num_shards_per_group=num_shards_per_group,
            name="norm",
            dtype=self.dtype_policy,
            trainable=self.trainable,
        )

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ConvNorm":
        config = dict(config)
        # Files from before there was Lite say whether swish follows.
        if config.pop("swish", False):
            config["activation"] = "swish"
        return super().from_config(config)

    def build(self, input_shape) -> None:
        channels = input_shape[-1]
        outputs = 1 if self.filters is None else self.filters
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.kernel_size, self.kernel_size, channels, outputs),
            initializer=convolution_initializer(),
            autocast=False,  # the norm is folded in with float32
        )
        self.norm.build(self.compute_output_shape(input_shape))

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        kernel = tf.convert_to_tensor(self.kernel)
        if self.norm.uses_batch_statistics(training):
            outputs = self.norm(self._convolve(inputs, kernel), training=True)
        else:
            scale, offset = self.norm.scale_and_offset()
            if self.filters is None:
                scale = scale[:, None]
            outputs = tf.nn.bias_add(
                self._convolve(inputs, kernel * scale),
                tf.cast(offset, inputs.dtype),
            )
        if self.activation is None:
            return outputs
        return _ACTIVATIONS[self.activation](outputs)

    def _convolve(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        kernel = tf.cast(kernel, inputs.dtype)
        if self.filters is None:
            return ops.depthwise_convolution(inputs, kernel, self.stride)
        return ops.convolution(inputs, kernel, self.stride)

    def compute_output_shape(self, input_shape):
        batch, *sides, channels = input_shape
        sides = [-(-side // self.stride) for side in sides]
        return (batch, *sides, self.filters or channels)


@keras.saving.register_keras_serializable(_PACKAGE)
class SqueezeExcite(keras.layers.Layer):
    """Swish, then squeeze-and-excitation: `ops.swish_squeeze_excite`.

    Args:
        squeezed: number of channels between the two 1x1 convolutions.
    """

    def __init__(self, squeezed: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.squeezed = squeezed

    def build(self, input_shape) -> None:
        channels = input_shape[-1]

        def add_weights(name, inputs, outputs):
            kernel = self.add_weight(
                name=f"{name}_kernel",
                shape=(1, 1, inputs, outputs),
                initializer=convolution_initializer(),
            )
            bias = self.add_weight(
                name=f"{name}_bias", shape=(outputs,), initializer="zeros"
            )
            return kernel, bias

        self.reduce_kernel, self.reduce_bias = add_weights(
            "reduce", channels, self.squeezed
        )
        self.expand_kernel, self.expand_bias = add_weights(
            "expand", self.squeezed, channels
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return ops.swish_squeeze_excite(
            inputs,
            tf.convert_to_tensor(self.reduce_kernel)[0, 0],
            tf.convert_to_tensor(self.reduce_bias),
            tf.convert_to_tensor(self.expand_kernel)[0, 0],
            tf.convert_to_tensor(self.expand_bias),
        )

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable(_PACKAGE)
class Block(keras.layers.Layer):
    """An inverted residual block (MBConv).

    Args:
        input_filters: number of input channels.
        output_filters: number of output channels.
        kernel_size: side of the depthwise convolution's kernel.
        stride: 1 or 2.
        expansion: factor on the number of channels inside; with 1 there is no
            expanding convolution.
        drop_rate: probability of dropping the residual of an example, in
            [0, 1); used where there is an identity skip.
        rematerialize: whether to keep only the input for the gradient and
            compute the rest again, which saves memory and costs time.
        num_shards_per_group: see `batch_norm.replicas_per_group`.
        lite: whether ReLU6 takes the place of swish with
            squeeze-and-excitation.

    Call arguments:
        inputs: float (batch, height, width, input_filters).
        training: whether to use batch statistics and stochastic depth; a
            frozen block never does.
    """

    def __init__(
        self,
        input_filters: int,
        output_filters: int,
        kernel_size: int,
        stride: int,
        expansion: int,
        drop_rate: float = 0.0,
        rematerialize: bool = False,
        num_shards_per_group: int = DEFAULT_GROUPS,
        lite: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.rematerialize = rematerialize
        self.has_skip = stride == 1 and input_filters == output_filters

        shared = {"dtype": self.dtype_policy, "trainable": self.trainable}
        conv_norm: Callable[..., ConvNorm] = functools.partial(
            ConvNorm, num_shards_per_group=num_shards_per_group, **shared
        )
        self.expand = None
        if expansion != 1:
            filters = input_filters * expansion
            self.expand = conv_norm(
                filters, activation=activation_of(lite), name="expand"
            )
        self.depthwise = conv_norm(
            None,
            kernel_size,
            stride,
            "relu6" if lite else None,  # swish is part of `se`
            name="depthwise",
        )
        self.se = None
        if not lite:
            squeezed = max(1, int(input_filters * _SE_RATIO))
            self.se = SqueezeExcite(squeezed, name="se", **shared)
        self.project = conv_norm(output_filters, name="project")
        self.drop = dropout.StochasticDepth(drop_rate, name="drop", **shared)

    def build(self, input_shape) -> None:
        shape = input_shape
        for layer in (self.expand, self.depthwise, self.se, self.project):
            if layer is not None:
                layer.build(shape)
                shape = layer.compute_output_shape(shape)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        training = training and self.trainable
        if training and self.rematerialize:
            return remat.rematerialized(self, self._forward, inputs)
        return self._forward(inputs, training)

    def _forward(self, inputs: tf.Tensor, training: bool) -> tf.Tensor:
        x = inputs
        if self.expand is not None:
            x = self.expand(x, training=training)
        x = self.depthwise(x, training=training)
        if self.se is not None:
            x = self.se(x)
        x = self.project(x, training=training)
        if not self.has_skip:
            return x
        return inputs + self.drop(x, training=training)

    def compute_output_shape(self, input_shape):
        shape = self.depthwise.compute_output_shape(input_shape)
        return self.project.compute_output_shape(shape)

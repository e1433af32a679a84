"""Swish, squeeze-and-excitation and convolutions that are fast on a CPU.

On a CPU a training step spends half its time moving memory. There these
operations have custom gradients: the same mathematics in fewer passes (XLA
compiles what is fused), with the faster of TensorFlow's kernels. On
accelerators they are TensorFlow's own operations.
"""

import tensorflow as tf


def swish(x: tf.Tensor) -> tf.Tensor:
    """Returns x * sigmoid(x); the gradient needs x alone to be kept."""
    return tf.nn.silu(x) if _has_accelerator() else _swish_on_cpu(x)


def _has_accelerator() -> bool:
    devices = tf.config.list_logical_devices()
    return any(device.device_type != "CPU" for device in devices)


@tf.custom_gradient
def _swish_on_cpu(x: tf.Tensor):
    return tf.nn.silu(x), lambda upstream: _swish_gradient(x, upstream)


@tf.function(jit_compile=True)
def _swish_gradient(x: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
    return upstream * _swish_derivative(x)


def _swish_derivative(x: tf.Tensor) -> tf.Tensor:
    gate = tf.sigmoid(x)
    return gate * (1 + x * (1 - gate))


def select(condition: tf.Tensor, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Returns x or y, of one shape, by a condition, bool ().

    `tf.where` would copy them.
    """
    return tf.raw_ops.Select(condition=condition, x=x, y=y)


def swish_squeeze_excite(x: tf.Tensor, *weights: tf.Tensor) -> tf.Tensor:
    """Scales the channels of swish(x) by a gate computed from their means.

    gate = sigmoid(expand(swish(reduce(mean(swish(x)))))): Squeeze-and-
    Excitation (arXiv 1709.01507, equations 2 to 4) with swish instead of ReLU.

    Args:
        x: float (batch, height, width, channels).
        *weights: kernel (channels, squeezed) and bias (squeezed,) of reduce,
            then kernel (squeezed, channels) and bias (channels,) of expand.

    Returns:
        swish(x) * gate, of the shape of x.
    """
    if not _has_accelerator():
        return _swish_squeeze_excite_on_cpu(x, *weights)
    activated = tf.nn.silu(x)
    means = tf.reduce_mean(activated, axis=(1, 2))
    return activated * _gate(means, *weights)[:, None, None]


def _gate(
    means: tf.Tensor,
    reduce_kernel: tf.Tensor,
    reduce_bias: tf.Tensor,
    expand_kernel: tf.Tensor,
    expand_bias: tf.Tensor,
) -> tf.Tensor:
    """Returns the gate; it and the means of the channels: (batch, channels)."""
    squeezed = tf.nn.silu(means @ reduce_kernel + reduce_bias)
    return tf.sigmoid(squeezed @ expand_kernel + expand_bias)


@tf.custom_gradient
def _swish_squeeze_excite_on_cpu(x: tf.Tensor, *weights: tf.Tensor):
    activated = tf.nn.silu(x)
    means = tf.reduce_mean(activated, axis=(1, 2))
    gate = _gate(means, *weights)

    def gradient(upstream: tf.Tensor) -> list[tf.Tensor]:
        of_gate = tf.reduce_sum(upstream * activated, axis=(1, 2))
        inputs = [means, *weights]
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            again = _gate(*inputs)
        of_means, *of_weights = tape.gradient(
            again, inputs, output_gradients=of_gate
        )
        return [_gated_gradient(x, upstream, gate, of_means), *of_weights]

    return activated * gate[:, None, None], gradient


@tf.function(jit_compile=True)
def _gated_gradient(x, upstream, gate, of_means) -> tf.Tensor:
    """The gradient through both uses of swish, the product and the mean."""
    pixels = tf.cast(tf.shape(x)[1] * tf.shape(x)[2], x.dtype)
    of_activated = (
        upstream * gate[:, None, None] + (of_means / pixels)[:, None, None]
    )
    return of_activated * _swish_derivative(x)


def convolution(x: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    """Convolves with 'SAME' padding.

    Args:
        x: float (batch, height, width, channels).
        kernel: float (size, size, channels, filters).
        stride: 1 or 2.

    Returns:
        Float (batch, height / stride, width / stride, filters), rounded up.
    """
    pointwise = kernel.shape[:2] == (1, 1) and stride == 1
    if pointwise and not _has_accelerator():
        return _pointwise_convolution_on_cpu(x, kernel)
    return tf.nn.conv2d(x, kernel, stride, "SAME")


@tf.custom_gradient
def _pointwise_convolution_on_cpu(x: tf.Tensor, kernel: tf.Tensor):
    """A 1x1 convolution whose gradients are matrix products.

    oneDNN computes these faster than the gradients of a convolution.
    """

    def flat(features: tf.Tensor) -> tf.Tensor:
        return tf.reshape(features, [-1, features.shape[-1]])

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        of_x = tf.matmul(flat(upstream), kernel[0, 0], transpose_b=True)
        of_kernel = tf.matmul(flat(x), flat(upstream), transpose_a=True)
        return (
            tf.reshape(of_x, tf.shape(x)),
            tf.reshape(of_kernel, kernel.shape),
        )

    return tf.nn.conv2d(x, kernel, 1, "SAME"), gradient


def depthwise_convolution(
    x: tf.Tensor, kernel: tf.Tensor, stride: int
) -> tf.Tensor:
    """Convolves each channel on its own, with 'SAME' padding.

    Args:
        x: float (batch, height, width, channels); the static shape has height
            and width.
        kernel: float (size, size, channels, 1); size is odd.
        stride: 1 or 2.

    Returns:
        Float (batch, height / stride, width / stride, channels), rounded up.
    """
    strides = [1, stride, stride, 1]

    def forward(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        return tf.nn.depthwise_conv2d(x, kernel, strides, "SAME")

    @tf.custom_gradient
    def on_cpu(x: tf.Tensor, kernel: tf.Tensor):
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            if stride == 1:
                # The forward operation gives the same, faster.
                of_x = forward(upstream, kernel[::-1, ::-1])
            else:
                of_x = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                    input_sizes=tf.shape(x),
                    filter=kernel,
                    out_backprop=upstream,
                    strides=strides,
                    padding="SAME",
                )
            return of_x, _depthwise_kernel_gradient(x, kernel, upstream, stride)

        return forward(x, kernel), gradient

    return forward(x, kernel) if _has_accelerator() else on_cpu(x, kernel)


def _depthwise_kernel_gradient(
    x: tf.Tensor, kernel: tf.Tensor, upstream: tf.Tensor, stride: int
) -> tf.Tensor:
    size = kernel.shape[0]
    padding: dict = {"padding": "SAME"}
    if size > 3:
        # For sizes above 3 oneDNN takes twice as long as TensorFlow's own
        # kernel, which explicit padding selects.
        rows, columns = (
            _same_padding(side, size, stride) for side in x.shape[1:3]
        )
        explicit = [0, 0, *rows, *columns, 0, 0]
        padding = {"padding": "EXPLICIT", "explicit_paddings": explicit}
    # Sums of thousands of products. TensorFlow's own kernel, which is also
    # that of CPUs without AVX-512, would sum bfloat16 in bfloat16.
    summed = tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
        input=tf.cast(x, tf.float32),
        filter_sizes=kernel.shape,
        out_backprop=tf.cast(upstream, tf.float32),
        strides=[1, stride, stride, 1],
        **padding,
    )
    return tf.cast(summed, kernel.dtype)


def _same_padding(side: int, size: int, stride: int) -> tuple[int, int]:
    """Returns what 'SAME' pads before and after `side` pixels."""
    outputs = -(-side // stride)
    total = max((outputs - 1) * stride + size - side, 0)
    return total // 2, total - total // 2

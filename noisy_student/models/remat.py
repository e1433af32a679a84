"""Rematerialisation: computes activations again for the gradient.

It saves memory and costs time (arXiv 1604.06174): between the forward and the
backward pass only the inputs are kept. The second run of the layer uses the
same weights and random states as the first. Moving statistics and random
states are updated once.
"""

from collections.abc import Callable

import keras
import tensorflow as tf


def rematerialized(
    layer: keras.layers.Layer,
    forward: Callable[..., tf.Tensor],
    inputs: tf.Tensor,
) -> tf.Tensor:
    """Runs a layer in training without keeping its activations.

    Args:
        layer: the layer that has all variables that `forward` uses.
        forward: a function from (inputs, training) to one tensor.
        inputs: float, of any shape.

    Returns:
        `forward(inputs, training=True)`; gradients flow to `inputs` and to
        the layer's trainable variables.
    """
    trainable, others = layer.trainable_variables, layer.non_trainable_variables
    before = [tf.convert_to_tensor(variable) for variable in others]
    after: list[list[tf.Tensor]] = []

    def pure(x: tf.Tensor, *weights: tf.Tensor) -> tf.Tensor:
        mapping = zip([*trainable, *others], [*weights, *before], strict=True)
        with keras.StatelessScope(state_mapping=list(mapping)) as scope:
            outputs = forward(x, training=True)
        after.append([scope.get_current_value(other) for other in others])
        return outputs

    weights = [tf.convert_to_tensor(variable) for variable in trainable]
    outputs = tf.recompute_grad(pure)(inputs, *weights)
    for variable, old, new in zip(others, before, after[0], strict=True):
        if new is not old:
            variable.assign(new)
    return outputs

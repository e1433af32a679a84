"""A model's noise without its training."""

import keras
import tensorflow as tf


def random_states(model: keras.Model) -> list[keras.Variable]:
    """The states of dropout's seeds, which are no weights."""
    weights = {id(weight) for weight in model.weights}
    return [v for v in model.variables if id(v) not in weights]


def call_as_teacher(model: keras.Model, images: tf.Tensor) -> tf.Tensor:
    """A noised pass that leaves the moving statistics as they are.

    Dropout and stochastic depth draw, and norms use the batch's statistics, as
    in training. For an averaged model: its moving statistics are the average
    of the student's, not of its own batches.

    Args:
        model: of this package.
        images: in [0, 255], uint8 or float (batch, side, side, 3).

    Returns:
        Logits, float32 (batch, classes).
    """
    with keras.StatelessScope() as scope:
        logits = model(images, training=True)
    for state in random_states(model):
        drawn = scope.get_current_value(state)
        if drawn is not None:  # a rate of 0 draws nothing
            state.assign(drawn)
    return logits

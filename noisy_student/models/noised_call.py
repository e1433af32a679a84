"""Noised predictions that leave the model as it is."""

import keras
import tensorflow as tf


def random_states(model: keras.Model) -> list[keras.Variable]:
    """Returns the states of dropout's random seeds, which are no weights."""
    weights = {id(weight) for weight in model.weights}
    return [v for v in model.variables if id(v) not in weights]


def call_as_teacher(model: keras.Model, images: tf.Tensor) -> tf.Tensor:
    """Predicts with the model's noise; the moving statistics do not change.

    As in training, dropout and stochastic depth are on and norms use the
    batch's statistics. This is for an averaged model, whose moving statistics
    are averages of the student's and not of its own batches.

    Args:
        model: a model made by `build_model`.
        images: RGB in [0, 255], uint8 or float (batch, side, side, 3).

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

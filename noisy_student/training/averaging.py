"""Averaged weights: a second model that follows the student.

The average covers every trainable variable and batch norm's moving
statistics, but not dropout's random states. Evaluation and prediction use the
averaged model, and it becomes the next teacher.
"""

import keras
import tensorflow as tf


def decay_at(step: tf.Tensor, max_decay: float) -> tf.Tensor:
    """Returns min(max_decay, (1 + t) / (10 + t)), which is lower at first.

    Args:
        step: t, the number of finished steps.
        max_decay: upper bound of the decay, in [0, 1).

    Returns:
        float32 ().
    """
    t = tf.cast(step, tf.float32)
    return tf.minimum(max_decay, (1 + t) / (10 + t))


def update(
    average: keras.Model, student: keras.Model, decay: tf.Tensor
) -> None:
    """Moves the average: average <- decay * average + (1 - decay) * student.

    Call it after the update, in replica context.

    Args:
        average: the averaged model, of the student's architecture.
        student: the model in training, just updated.
        decay: float32 (), in [0, 1]; 1 leaves the average as it is.
    """

    def move(mean: tf.Variable, value: tf.Tensor, decay: tf.Tensor) -> None:
        mean.assign_sub((1 - decay) * (mean - value))

    def move_all(strategy: tf.distribute.Strategy, decay: tf.Tensor) -> None:
        for mean, value in zip(average.weights, student.weights, strict=True):
            strategy.extended.update(
                mean.value, move, args=(value.value, decay), group=False
            )

    interim = tf.__internal__.distribute.interim  # as in Keras' optimizers
    interim.maybe_merge_call(move_all, tf.distribute.get_strategy(), decay)


def start(average: keras.Model, student: keras.Model) -> None:
    """Sets the averaged model to the student's weights."""
    for mean, variable in zip(average.weights, student.weights, strict=True):
        mean.assign(variable)

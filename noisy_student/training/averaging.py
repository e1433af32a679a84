"""Averaged weights: a second model that follows the student.

The average covers every trainable variable and batch norm's moving
statistics; random states (of dropout) are no weights and are left alone.
Evaluation, prediction and the teacher use the average.
"""

import keras
import tensorflow as tf


def decay_at(step: tf.Tensor, max_decay: float) -> tf.Tensor:
    """min(max_decay, (1 + t) / (10 + t)): early averages forget faster.

    Args:
        step: t, the number of finished steps.
        max_decay: in [0, 1).

    Returns:
        float32 scalar.
    """
    t = tf.cast(step, tf.float32)
    return tf.minimum(max_decay, (1 + t) / (10 + t))


def update(
    average: keras.Model, student: keras.Model, decay: tf.Tensor
) -> None:
    """Moves the average: average <- decay * average + (1 - decay) * student.

    Call it after the step, in replica context or across replicas.

    Args:
        average: the averaged model, of the student's architecture.
        student: the model that was just updated.
        decay: float32 scalar, in [0, 1).
    """

    def move(mean: tf.Variable, value: tf.Tensor, decay: tf.Tensor) -> None:
        mean.assign_sub((1 - decay) * (mean - value))

    def move_all(strategy: tf.distribute.Strategy, decay: tf.Tensor) -> None:
        for mean, value in zip(average.weights, student.weights, strict=True):
            strategy.extended.update(
                mean.value, move, args=(value.value, decay), group=False
            )

    strategy = tf.distribute.get_strategy()
    if tf.distribute.in_cross_replica_context():
        move_all(strategy, decay)
    else:  # as Keras' optimizers do
        interim = tf.__internal__.distribute.interim
        interim.maybe_merge_call(move_all, strategy, decay)


def start(average: keras.Model, student: keras.Model) -> None:
    """Sets the average to the student's weights."""
    for mean, variable in zip(average.weights, student.weights, strict=True):
        mean.assign(variable)

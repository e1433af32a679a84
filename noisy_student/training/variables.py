"""Variables of a step that are no weights."""

import tensorflow as tf


def per_replica(value: tf.Tensor) -> tf.Variable:
    """Returns a variable that each replica has for itself.

    Changes take no messages between replicas. Outside of them it has the value
    of the first one.

    Args:
        value: of all of them at first.
    """
    return tf.Variable(
        value,
        trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )

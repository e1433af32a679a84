"""Gradient accumulation: a large batch in parts, one after the other."""

from collections.abc import Sequence

import keras
import tensorflow as tf


class GradientSum:
    """Sums gradients on each replica; they are summed over replicas later.

    Build in the scope of the strategy. It is empty between steps, so that
    checkpoints need not have it.

    Args:
        variables: that the gradients are of.
    """

    def __init__(self, variables: Sequence[keras.Variable]) -> None:
        self._sums = [
            tf.Variable(
                tf.zeros(variable.shape, variable.dtype),
                trainable=False,
                # Each replica has its own.
                synchronization=tf.VariableSynchronization.ON_READ,
                aggregation=tf.VariableAggregation.SUM,
            )
            for variable in variables
        ]

    def add(self, gradients: Sequence[tf.Tensor]) -> None:
        """Adds a part's gradients; in replica context."""
        for total, gradient in zip(self._sums, gradients, strict=True):
            total.assign_add(gradient)

    def take(self) -> list[tf.Tensor]:
        """Returns the sums of this replica and begins again at zero."""
        sums = [total.read_value() for total in self._sums]
        for total in self._sums:
            total.assign(tf.zeros_like(total))
        return sums

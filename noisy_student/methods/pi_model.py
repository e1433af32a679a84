"""Pi-model: the targets are a second noisy pass (arXiv 1610.02242)."""

import keras
import tensorflow as tf

from noisy_student.methods import base, consistency


class PiModel(consistency.ConsistencyMethod):
    """Two noisy passes of the student should agree (algorithm 1).

    Each sees the images under noise of its own, with dropout and stochastic
    depth of its own; the gradient flows through both. Both move the norms'
    moving statistics.
    """

    def compute_losses(
        self,
        student: keras.Model,
        average: keras.Model,
        batch: base.Batch,
        step: tf.Tensor,
    ) -> base.Losses:
        logits, others = (
            student(consistency.images(batch, view), training=True)
            for view in (consistency.FIRST_VIEW, consistency.SECOND_VIEW)
        )
        return self.losses(logits, tf.nn.softmax(others), batch, step)

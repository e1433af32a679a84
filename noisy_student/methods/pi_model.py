"""Pi-model: the targets are a second noisy pass (arXiv 1610.02242)."""

import keras
import tensorflow as tf

from noisy_student.methods import base, consistency


@base.register("pi_model")
class PiModel(consistency.ConsistencyMethod):
    """Two noisy passes of the student should agree (algorithm 1).

    Each pass has its own input noise, dropout and stochastic depth, and
    updates batch norm's moving statistics. The gradient flows through both.
    """

    def compute_losses(
        self,
        student: keras.Model,
        average: keras.Model,
        batch: base.Batch,
        step: tf.Tensor,
    ) -> base.Losses:
        logits, second_logits = (
            student(consistency.images(batch, view), training=True)
            for view in (consistency.FIRST_VIEW, consistency.SECOND_VIEW)
        )
        targets = tf.nn.softmax(second_logits)
        return self.losses(logits, targets, batch, step)

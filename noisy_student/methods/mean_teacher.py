"""Mean teacher: the targets are the averaged student's (arXiv 1703.01780)."""

import keras
import tensorflow as tf

from noisy_student import models
from noisy_student.methods import base, consistency


@base.register("mean_teacher")
class MeanTeacher(consistency.ConsistencyMethod):
    """The student should agree with the average of its own weights (section 2).

    The teacher is the averaged model of the run, which is also evaluated:
    theta' = alpha theta' + (1 - alpha) theta after every step, with a smaller
    alpha during the ramp-up. Student and teacher have noise of their own; the
    teacher gets no gradient.

    Args:
        context: the settings and facts of the run.
    """

    def __init__(self, context: base.MethodContext) -> None:
        super().__init__(context)
        self.decay = context.consistency.teacher_decay
        self.decay_ramp_up = context.consistency.teacher_decay_ramp_up

    def compute_losses(
        self,
        student: keras.Model,
        average: keras.Model,
        batch: base.Batch,
        step: tf.Tensor,
    ) -> base.Losses:
        first, second = consistency.FIRST_VIEW, consistency.SECOND_VIEW
        logits = student(consistency.images(batch, first), training=True)
        teacher = models.call_as_teacher(
            average, consistency.images(batch, second)
        )
        targets = tf.stop_gradient(tf.nn.softmax(teacher))
        return self.losses(logits, targets, batch, step)

    def average_decay(self, step: tf.Tensor) -> tf.Tensor:
        return tf.where(
            self.ramp.ramp_up_is_over(step), self.decay, self.decay_ramp_up
        )

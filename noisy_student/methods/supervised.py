"""Training on labelled images alone: the first teacher."""

import keras
import tensorflow as tf

from noisy_student.methods import base, losses


@base.register("supervised")
class Supervised(base.Method):
    """Cross entropy with smoothed labels.

    Args:
        label_smoothing: label smoothing, in [0, 1).
    """

    batch_keys = ("image", "label", "label_weight")

    def __init__(self, label_smoothing: float) -> None:
        self.label_smoothing = label_smoothing

    @classmethod
    def from_context(cls, context: base.MethodContext) -> "Supervised":
        return cls(context.label_smoothing)

    def compute_losses(
        self,
        student: keras.Model,
        average: keras.Model,
        batch: base.Batch,
        step: tf.Tensor,
    ) -> base.Losses:
        logits = student(batch["image"], training=True)
        return labeled_losses(logits, batch, self.label_smoothing)


def labeled_losses(
    logits: tf.Tensor,
    batch: base.Batch,
    label_smoothing: float,
    factor: float | tf.Tensor = 1.0,
) -> base.Losses:
    """Returns the cross entropy of labelled images, which methods share.

    Args:
        logits: float32 (labelled images, classes).
        batch: has `label`, int64 (labelled images,), 0-based, and
            `label_weight`, float32 (labelled images,), at least 0.
        label_smoothing: label smoothing, in [0, 1).
        factor: factor of the term in the total loss.

    Returns:
        The term `lab/loss`, and the metrics `lab/acc` and `lab/pred_prob`.
    """
    labels = batch["label"]
    targets = losses.smooth_one_hot(labels, logits.shape[-1], label_smoothing)
    per_example = losses.cross_entropy(targets, logits)
    return base.Losses(
        {"lab/loss": base.LossTerm(per_example, batch["label_weight"], factor)},
        {
            "lab/acc": agreement(logits, labels),
            "lab/pred_prob": mean_confidence(tf.nn.softmax(logits)),
        },
    )


def agreement(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Returns the share of examples whose greatest logit is at the label."""
    predicted = tf.argmax(logits, axis=-1, output_type=labels.dtype)
    return tf.reduce_mean(tf.cast(predicted == labels, tf.float32))


def mean_confidence(probabilities: tf.Tensor) -> tf.Tensor:
    """Returns the mean over examples of the greatest probability."""
    return tf.reduce_mean(tf.reduce_max(probabilities, axis=-1))

"""Training on labelled images alone: the first teacher."""

import keras
import tensorflow as tf

from noisy_student.methods import base, losses


class Supervised(base.Method):
    """Cross entropy with smoothed labels.

    Args:
        label_smoothing: in [0, 1).
    """

    batch_keys = ("image", "label", "label_weight")

    def __init__(self, label_smoothing: float) -> None:
        self.label_smoothing = label_smoothing

    @classmethod
    def of(cls, setup: base.Setup) -> "Supervised":
        return cls(setup.train.label_smoothing)

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
    """The labelled part of the loss, which other methods share.

    Args:
        logits: float32 (labelled images, classes).
        batch: `label`, int64 (labelled images,), 0-based, and
            `label_weight`, float32 (labelled images,), 0 or 1.
        label_smoothing: in [0, 1).
        factor: of their mean in the total.
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
    """Share of examples whose greatest logit is at the label, scalar."""
    predicted = tf.argmax(logits, axis=-1, output_type=labels.dtype)
    return tf.reduce_mean(tf.cast(predicted == labels, tf.float32))


def mean_confidence(probabilities: tf.Tensor) -> tf.Tensor:
    """Mean over examples of the greatest probability, scalar."""
    return tf.reduce_mean(tf.reduce_max(probabilities, axis=-1))

"""Noisy Student: the targets are an earlier teacher's (arXiv 1911.04252)."""

import keras
import tensorflow as tf

from noisy_student.config import HARD_LABELS
from noisy_student.methods import base, losses, supervised


class NoisyStudent(base.Method):
    """Cross entropy with labels and with stored pseudo labels (section 2).

    total = mean over labelled + unlabel_ratio * mean over unlabelled. One
    forward pass sees both, so that they share batch norm's statistics.

    Args:
        label_smoothing: of labels and hard pseudo labels, in [0, 1).
        unlabel_ratio: factor on the unlabelled mean.
        temperature: of soft pseudo labels, above 0, or -1 for hard ones.
    """

    batch_keys = (
        "image",
        "label",
        "unlabeled_image",
        "unlabeled_label",
        "unlabeled_probabilities",
        "unlabeled_weight",
    )

    def __init__(
        self,
        label_smoothing: float,
        unlabel_ratio: float,
        temperature: float = HARD_LABELS,
    ) -> None:
        self.label_smoothing = label_smoothing
        self.unlabel_ratio = unlabel_ratio
        self.temperature = temperature

    def compute_losses(
        self, student: keras.Model, average: keras.Model, batch: base.Batch
    ) -> base.Losses:
        images = tf.concat([batch["image"], batch["unlabeled_image"]], axis=0)
        num_labeled = tf.shape(batch["label"])[0]
        logits = student(images, training=True)
        labeled = supervised.labeled_losses(
            logits[:num_labeled], batch["label"], self.label_smoothing
        )
        unlabeled = self._unlabeled_losses(logits[num_labeled:], batch)
        return base.Losses(
            labeled.terms | unlabeled.terms,
            labeled.metrics | unlabeled.metrics,
        )

    def _unlabeled_losses(
        self, logits: tf.Tensor, batch: base.Batch
    ) -> base.Losses:
        labels = batch["unlabeled_label"]
        if self.temperature == HARD_LABELS:
            targets = losses.smooth_one_hot(
                labels, logits.shape[-1], self.label_smoothing
            )
        else:
            targets = losses.sharpen(
                batch["unlabeled_probabilities"], self.temperature
            )
        per_example = losses.cross_entropy(targets, logits)
        term = base.LossTerm(
            per_example, batch["unlabeled_weight"], self.unlabel_ratio
        )
        return base.Losses(
            {"ext/loss": term},
            {
                "unl/acc_to_dump": supervised.agreement(logits, labels),
                "unl/pred_prob": supervised.mean_confidence(
                    tf.nn.softmax(logits)
                ),
                "unl/target_prob": supervised.mean_confidence(targets),
            },
        )

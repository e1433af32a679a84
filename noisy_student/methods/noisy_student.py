"""Noisy Student: the targets are an earlier teacher's (arXiv 1911.04252)."""

import dataclasses

import keras
import tensorflow as tf

from noisy_student.config import HARD_LABELS
from noisy_student.methods import base, losses, supervised


@base.register("noisy_student")
@dataclasses.dataclass(eq=False)
class NoisyStudent(base.Method):
    """Cross entropy with labels and with a teacher's pseudo labels (section 2).

    total = mean over labelled + unlabel_ratio * mean over unlabelled. One
    forward pass takes both, so that they share batch norm's statistics. The
    pseudo labels are stored ones, or those of a teacher that runs in every
    step. That teacher and its images have no noise; it gets no gradient.

    Attributes:
        label_smoothing: smoothing of labels and hard pseudo labels, in [0, 1).
        unlabel_ratio: factor of the mean over unlabelled images.
        temperature: temperature of soft pseudo labels, above 0, or -1 for
            hard ones.
        teacher: a model from images to logits; None takes the stored
            probabilities.
        has_records: whether the unlabelled images are pseudo-labelled
            records.
    """

    label_smoothing: float
    unlabel_ratio: float
    temperature: float = HARD_LABELS
    teacher: keras.Model | None = None
    has_records: bool = True
    needs_unlabeled = True
    needs_teacher = True

    def __post_init__(self) -> None:
        keys = ["unlabeled_image", "unlabeled_weight"]
        if self.has_records:
            keys += ["unlabeled_label"]
        if self.teacher is None:
            keys += ["unlabeled_probabilities"]
        else:
            keys += ["teacher_image"]
        self.batch_keys = (*supervised.Supervised.batch_keys, *keys)

    @classmethod
    def from_context(cls, context: base.MethodContext) -> "NoisyStudent":
        return cls(
            context.label_smoothing,
            context.train.unlabel_ratio,
            context.train.teacher_softmax_temp,
            context.teacher,
            context.has_records,
        )

    def compute_losses(
        self,
        student: keras.Model,
        average: keras.Model,
        batch: base.Batch,
        step: tf.Tensor,
    ) -> base.Losses:
        images = tf.concat([batch["image"], batch["unlabeled_image"]], axis=0)
        num_labeled = tf.shape(batch["label"])[0]
        logits = student(images, training=True)
        labeled = supervised.labeled_losses(
            logits[:num_labeled], batch, self.label_smoothing
        )
        unlabeled = self._unlabeled_losses(logits[num_labeled:], batch)
        return base.Losses(
            labeled.terms | unlabeled.terms,
            labeled.metrics | unlabeled.metrics,
        )

    def _unlabeled_losses(
        self, logits: tf.Tensor, batch: base.Batch
    ) -> base.Losses:
        targets = self._targets(batch)
        term = base.LossTerm(
            losses.cross_entropy(targets, logits),
            batch["unlabeled_weight"],
            self.unlabel_ratio,
        )
        metrics = {
            "unl/pred_prob": supervised.mean_confidence(tf.nn.softmax(logits)),
            "unl/target_prob": supervised.mean_confidence(targets),
        }
        if self.has_records:
            metrics["unl/acc_to_dump"] = supervised.agreement(
                logits, batch["unlabeled_label"]
            )
        return base.Losses({"ext/loss": term}, metrics)

    def _targets(self, batch: base.Batch) -> tf.Tensor:
        """Returns probabilities, float32 (unlabelled images, classes)."""
        hard = self.temperature == HARD_LABELS
        if self.teacher is not None:
            logits = self.teacher(batch["teacher_image"], training=False)
            logits = tf.stop_gradient(logits)
            if not hard:
                return tf.nn.softmax(logits / self.temperature)
            labels, classes = tf.argmax(logits, axis=-1), logits.shape[-1]
        else:
            probabilities = batch["unlabeled_probabilities"]
            if not hard:
                return losses.sharpen(probabilities, self.temperature)
            labels, classes = batch["unlabeled_label"], probabilities.shape[-1]
        return losses.smooth_one_hot(labels, classes, self.label_smoothing)

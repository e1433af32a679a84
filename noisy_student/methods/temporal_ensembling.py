"""Temporal ensembling: the targets are past predictions (arXiv 1610.02242)."""

import dataclasses

import keras
import tensorflow as tf

from noisy_student.methods import base, consistency, ensemble, supervised


@base.register("temporal_ensembling")
class TemporalEnsembling(consistency.ConsistencyMethod):
    """Predictions should agree with their average so far (algorithm 2).

    The target of an image is the average of its predictions in earlier
    epochs. In its first epoch it has none, and weighs nothing. Each worker
    keeps the targets of the images that it reads.

    Args:
        context: the settings and facts of the run.
    """

    default_max_consistency_weight = 30.0
    batch_keys = (
        *supervised.Supervised.batch_keys,
        "row",
        "unlabeled_image",
        "unlabeled_weight",
        "unlabeled_row",
    )

    def __init__(self, context: base.MethodContext) -> None:
        super().__init__(context)
        self.num_labeled = context.worker_labeled
        self.ensemble = ensemble.Ensemble(_size(context), context.consistency)

    @classmethod
    def check(cls, context: base.MethodContext) -> None:
        super().check(context)
        if isinstance(context.strategy, tf.distribute.TPUStrategy):
            raise ValueError(
                "method=temporal_ensembling keeps its targets in the host's "
                "memory, where a TPU's step cannot reach them; use "
                "mean_teacher or pi_model."
            )
        ensemble.check_memory(_size(context), context.consistency)

    def look_up(self, batch: base.Batch) -> base.Batch:
        targets, has_target = self.ensemble.targets(self._rows(batch))
        return batch | {"target": targets, "has_target": has_target}

    def compute_losses(
        self,
        student: keras.Model,
        average: keras.Model,
        batch: base.Batch,
        step: tf.Tensor,
    ) -> base.Losses:
        images = consistency.images(batch, consistency.FIRST_VIEW)
        logits = student(images, training=True)
        result = self.losses(
            logits, batch["target"], batch, step, batch["has_target"]
        )
        kept = {"probabilities": tf.nn.softmax(logits)}
        return dataclasses.replace(result, kept=kept)

    def remember(self, batch: base.Batch, kept: dict[str, tf.Tensor]) -> None:
        probabilities = kept["probabilities"]
        is_finite = tf.reduce_all(tf.math.is_finite(probabilities), axis=1)
        chosen = (consistency.image_weights(batch) > 0) & is_finite
        self.ensemble.update(self._rows(batch), probabilities, chosen)

    def _rows(self, batch: base.Batch) -> tf.Tensor:
        """Returns the rows of the targets, int64 (all images,)."""
        unlabeled = self.num_labeled + batch["unlabeled_row"]
        return tf.concat([batch["row"], unlabeled], axis=0)

    def worker_state(self) -> dict:
        return self.ensemble.state()


def _size(context: base.MethodContext) -> tuple[int, int]:
    """Returns the numbers of images and classes of a worker's targets."""
    images = context.worker_labeled + context.worker_unlabeled
    return images, context.num_classes

"""Temporal ensembling: the targets are past predictions (arXiv 1610.02242)."""

import keras
import tensorflow as tf

from noisy_student.methods import base, consistency, ensemble, supervised

_VIEW = consistency.FIRST_VIEW


class TemporalEnsembling(consistency.ConsistencyMethod):
    """Predictions should agree with their average so far (algorithm 2).

    An image's target is the average of its predictions of earlier epochs. In
    its first epoch it has none and weighs nothing. Each worker keeps the
    targets of its own part of the images.

    Args:
        setup: of the run.
    """

    batch_keys = (
        *supervised.Supervised.batch_keys,
        "row",
        "unlabeled_image",
        "unlabeled_weight",
        "unlabeled_row",
    )

    def __init__(self, setup: base.Setup) -> None:
        super().__init__(setup)
        self.num_labeled = setup.own_labeled
        self.ensemble = ensemble.Ensemble(_size(setup), setup.consistency)

    @classmethod
    def check(cls, setup: base.Setup) -> None:
        super().check(setup)
        if isinstance(setup.strategy, tf.distribute.TPUStrategy):
            raise ValueError(
                "method=temporal_ensembling keeps its targets in the host's "
                "memory, where a TPU's step cannot reach them; use "
                "mean_teacher or pi_model."
            )
        ensemble.check_memory(_size(setup), setup.consistency)

    def compute_losses(
        self,
        student: keras.Model,
        average: keras.Model,
        batch: base.Batch,
        step: tf.Tensor,
    ) -> base.Losses:
        logits = student(consistency.images(batch, _VIEW), training=True)
        rows = tf.concat(
            [batch["row"], self.num_labeled + batch["unlabeled_row"]], axis=0
        )
        targets, has_target = self.ensemble.targets(rows)
        result = self.losses(logits, targets, batch, step, has_target)
        self.ensemble.update(
            rows, tf.nn.softmax(logits), consistency.image_weights(batch) > 0
        )
        return result

    def own_state(self) -> dict:
        return self.ensemble.state()


def _size(setup: base.Setup) -> tuple[int, int]:
    """Images and classes."""
    return setup.own_labeled + setup.own_unlabeled, setup.num_classes

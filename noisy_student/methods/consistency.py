"""What the consistency methods share: one loss, whatever its targets.

loss = 1/|B| sum over labelled of the cross entropy + w(t) * mean over all
images and classes of (p - target)^2, w(t) = w_max * labelled/all * ramp-up
(arXiv 1610.02242, algorithms 1 and 2). The paper draws a batch from all
images; here it has `unlabel_ratio` unlabelled ones for each labelled one.
"""

import tensorflow as tf

from noisy_student.methods import base, losses, ramps, supervised

FIRST_VIEW = ("image", "unlabeled_image")
SECOND_VIEW = ("second_image", "unlabeled_second_image")
_KEYS = (*supervised.Supervised.batch_keys, *FIRST_VIEW[1:], "unlabeled_weight")


class ConsistencyMethod(base.Method):
    """A method whose predictions should agree with its targets.

    Subclasses say where the targets come from.

    Args:
        setup: of the run.
    """

    needs_unlabeled = True
    batch_keys: tuple[str, ...] = (*_KEYS, *SECOND_VIEW)

    def __init__(self, setup: base.Setup) -> None:
        total = setup.num_labeled + setup.num_unlabeled
        share = setup.num_labeled / total
        self.ramp: ramps.Ramps = setup.ramp
        self.max_weight = setup.consistency.max_consistency_weight * share
        self.label_smoothing = setup.train.label_smoothing

    @classmethod
    def of(cls, setup: base.Setup) -> "ConsistencyMethod":
        return cls(setup)

    def losses(
        self,
        logits: tf.Tensor,
        targets: tf.Tensor,
        batch: base.Batch,
        step: tf.Tensor,
        has_target: tf.Tensor | float = 1.0,
    ) -> base.Losses:
        """The loss above.

        Args:
            logits: float32 (labelled and unlabelled images, classes).
            targets: probabilities, float32, of the same shape; what gradient
                they get is the caller's choice.
            batch: `label`, `label_weight` and `unlabeled_weight`.
            step: int64 (), number of finished steps.
            has_target: float32 (labelled and unlabelled images,), 0 or 1.
        """
        labels = batch["label"]
        num_labeled, num_all = tf.shape(labels)[0], tf.shape(logits)[0]
        labeled = supervised.labeled_losses(
            logits[:num_labeled],
            batch,
            self.label_smoothing,
            factor=tf.cast(num_labeled / num_all, tf.float32),
        )
        probabilities = tf.nn.softmax(logits)
        weight = self.max_weight * self.ramp.weight(step)
        term = base.LossTerm(
            losses.mean_squared_difference(probabilities, targets),
            has_target * image_weights(batch),
            weight,
        )
        metrics = {
            "cons/weight": weight,
            "unl/pred_prob": supervised.mean_confidence(
                probabilities[num_labeled:]
            ),
            "unl/target_prob": supervised.mean_confidence(
                targets[num_labeled:]
            ),
        }
        return base.Losses(
            labeled.terms | {"cons/loss": term}, labeled.metrics | metrics
        )


def images(batch: base.Batch, view: tuple[str, str]) -> tf.Tensor:
    """Labelled and unlabelled images of a view, uint8 (all, side, side, 3)."""
    return tf.concat([batch[key] for key in view], axis=0)


def image_weights(batch: base.Batch) -> tf.Tensor:
    """float32 (labelled and unlabelled images,), 0 for broken ones."""
    decoded = tf.ones_like(batch["label_weight"])
    return tf.concat([decoded, batch["unlabeled_weight"]], axis=0)

"""What the consistency methods share: one loss, whatever the targets.

loss = 1/|B| sum over labelled of the cross entropy + w(t) * mean over all
images and classes of (p - target)^2, w(t) = w_max * labelled/all * ramp-up
(arXiv 1610.02242, algorithms 1 and 2). The paper draws a batch from all
images; here a step has `unlabel_ratio` unlabelled images for each labelled
one.
"""

import tensorflow as tf

from noisy_student.methods import base, losses, ramps, supervised

FIRST_VIEW = ("image", "unlabeled_image")
SECOND_VIEW = ("second_image", "unlabeled_second_image")
_KEYS = (*supervised.Supervised.batch_keys, *FIRST_VIEW[1:], "unlabeled_weight")


class ConsistencyMethod(base.Method):
    """A method whose predictions should agree with its targets.

    Subclasses decide where the targets come from.

    Args:
        context: the settings and facts of the run.
    """

    needs_unlabeled = True
    batch_keys: tuple[str, ...] = (*_KEYS, *SECOND_VIEW)
    default_optimizer = "adam"
    default_label_smoothing = 0.0

    def __init__(self, context: base.MethodContext) -> None:
        weight = context.consistency.max_consistency_weight
        assert weight is not None, "see with_defaults"
        share = context.num_labeled / (
            context.num_labeled + context.num_unlabeled
        )
        self.ramp: ramps.Ramps = context.ramp
        self.max_weight = weight * share
        self.label_smoothing = context.label_smoothing

    def losses(
        self,
        logits: tf.Tensor,
        targets: tf.Tensor,
        batch: base.Batch,
        step: tf.Tensor,
        has_target: tf.Tensor | float = 1.0,
    ) -> base.Losses:
        """Returns the loss of this module's docstring.

        Args:
            logits: float32 (labelled and unlabelled images, classes).
            targets: probabilities, float32, of the same shape; the gradient
                flows into them unless the caller stops it.
            batch: has `label`, `label_weight` and `unlabeled_weight`.
            step: int64 (), number of finished steps.
            has_target: float32 (labelled and unlabelled images,), 0 or 1.

        Returns:
            The terms `lab/loss` and `cons/loss`, and the metrics.
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
        confidence = supervised.mean_confidence
        metrics = {
            "cons/weight": weight,
            "unl/pred_prob": confidence(probabilities[num_labeled:]),
            "unl/target_prob": confidence(targets[num_labeled:]),
        }
        return base.Losses(
            labeled.terms | {"cons/loss": term}, labeled.metrics | metrics
        )


def images(batch: base.Batch, view: tuple[str, str]) -> tf.Tensor:
    """Returns labelled and unlabelled images, uint8 (all, side, side, 3).

    Args:
        batch: has the keys of the view.
        view: `FIRST_VIEW` or `SECOND_VIEW`.
    """
    return tf.concat([batch[key] for key in view], axis=0)


def image_weights(batch: base.Batch) -> tf.Tensor:
    """Returns float32 (labelled and unlabelled images,), 0 for broken ones."""
    labeled = tf.ones_like(batch["label_weight"])
    return tf.concat([labeled, batch["unlabeled_weight"]], axis=0)

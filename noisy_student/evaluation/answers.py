"""What models answer for each image: once each, in the images' order.

All scores follow from it, also those of a comparison image by image.
"""

import dataclasses
from collections.abc import Callable, Mapping

import keras
import numpy as np
import tensorflow as tf

from noisy_student.errors import InputError
from noisy_student.evaluation import base, scores

_TOP = 5


_COLUMNS = tuple(field.name for field in dataclasses.fields(scores.Answers))


class AnswersEvaluator(base.Evaluator):
    """Collects the answers, and computes the scores of `scores.summary`.

    Batches also have `row`, int64 (batch,), an image's place among all of
    them, so that the number of devices does not change the order.
    """

    def answers(
        self, model: keras.Model, on_batch: Callable[[], None] = lambda: None
    ) -> scores.Answers:
        """Returns a model's answers; see `__call__` of the base class.

        Raises:
            InputError: Some of them are no numbers.
        """
        found = _from_columns(self.measure(model, on_batch))
        bad = np.count_nonzero(~np.isfinite(found.losses))
        if bad:
            raise InputError(
                f"{self.description}: the model's outputs for {bad} of "
                f"{len(found.labels)} images are not finite."
            )
        return found

    def sums(
        self, model: keras.Model, batch: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """Writes an image's answers at its place; elsewhere there are zeros."""
        counts = batch["weight"] > 0
        rows = tf.where(counts, batch["row"], 0)[:, tf.newaxis]
        logits = model(batch["image"], training=False)
        columns = answers_of(logits, batch["label"])
        return {
            name: tf.scatter_nd(
                rows,
                tf.where(counts, tf.cast(column, tf.float32), 0.0),
                tf.constant([self.num_images], tf.int64),
            )
            for name, column in columns.items()
        }

    def metrics(self, sums: dict[str, np.ndarray]) -> base.Metrics:
        """Computes the scores."""
        return scores.summary(_from_columns(sums))


def answers_of(logits: tf.Tensor, labels: tf.Tensor) -> Mapping[str, tf.Tensor]:
    """Computes the columns of `scores.Answers` of a batch.

    Args:
        logits: float (batch, classes).
        labels: The true classes, int64 (batch,).
    """
    logits = tf.cast(logits, tf.float32)
    log_probabilities = tf.nn.log_softmax(logits)
    return {
        "labels": labels,
        "predictions": tf.argmax(logits, axis=-1),
        "confidences": tf.exp(tf.reduce_max(log_probabilities, axis=-1)),
        "losses": tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels, logits
        ),
        "in_top_5": tf.math.in_top_k(
            labels, logits, k=min(_TOP, logits.shape[-1])
        ),
    }


def _from_columns(sums: Mapping[str, np.ndarray]) -> scores.Answers:
    columns = {name: sums[name] for name in _COLUMNS}
    for name in ("labels", "predictions"):
        columns[name] = columns[name].astype(np.int64)
    columns["in_top_5"] = columns["in_top_5"] > 0
    return scores.Answers(**columns)

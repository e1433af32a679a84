"""Top-1 and top-5 accuracy: among all classes, and among some of them."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from noisy_student.evaluation import base


class Accuracy(base.Evaluator):
    """The shares of correct predictions, `top_1_accuracy`, `top_5_accuracy`.

    Both are in [0, 1]. With fewer than five classes, the second is 1.
    """

    def sums(
        self, model: keras.Model, batch: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """Counts the correct predictions."""
        logits = model(batch["image"], training=False)
        return _counts(logits, batch)

    def metrics(self, sums: dict[str, float]) -> base.Metrics:
        """Divides by the number of images."""
        return {
            name: float(total) / self.num_images for name, total in sums.items()
        }


@dataclasses.dataclass(eq=False)
class LimitedAccuracy(Accuracy):
    """The same, and also for predictions among some classes alone.

    `limited_top_1_accuracy` and `limited_top_5_accuracy` look for the largest
    logits among these classes, as is the custom with test sets that have
    images of some of a task's classes.

    Attributes:
        classes: Which classes, int64 (n,).
    """

    classes: np.ndarray = dataclasses.field(kw_only=True)

    def sums(
        self, model: keras.Model, batch: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """Counts the correct predictions in both ways."""
        logits = tf.cast(model(batch["image"], training=False), tf.float32)
        allowed = np.isin(np.arange(logits.shape[-1]), self.classes)
        # Finite: in_top_k would take infinite logits for errors.
        limited = tf.where(allowed, logits, tf.float32.min)
        return _counts(logits, batch) | {
            f"limited_{name}": count
            for name, count in _counts(limited, batch).items()
        }


def _counts(
    logits: tf.Tensor, batch: dict[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
    labels = batch["label"]
    correct = {
        "top_1_accuracy": tf.argmax(logits, axis=-1) == labels,
        "top_5_accuracy": tf.math.in_top_k(
            labels, logits, k=min(5, logits.shape[-1])
        ),
    }
    return {
        name: tf.reduce_sum(tf.cast(which, tf.float32) * batch["weight"])
        for name, which in correct.items()
    }

"""Top-1 and top-5 accuracy."""

import keras
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
        labels = batch["label"]
        logits = model(batch["image"], training=False)
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

    def metrics(self, sums: dict[str, float]) -> base.Metrics:
        """Divides by the number of images."""
        return {
            name: float(total) / self.num_images for name, total in sums.items()
        }

"""Top-1 and top-5 accuracy of any model: teacher, student or average."""

import dataclasses

import keras
import tensorflow as tf

from noisy_student import progress


@dataclasses.dataclass(frozen=True)
class Accuracy:
    """Shares of correct predictions, in [0, 1], over `num_images`."""

    top_1_accuracy: float
    top_5_accuracy: float
    num_images: int


def evaluate(
    model: keras.Model,
    dataset: tf.data.Dataset,
    num_images: int,
    description: str = "evaluate",
) -> Accuracy:
    """Measures a model, counting every image exactly once.

    Args:
        model: images to logits; run without noise.
        dataset: one pass of `image`, `label` and `weight`, as
            `pipelines.plain_images` gives it.
        num_images: how many images have weight 1.
        description: of the progress bar.
    """
    strategy = tf.distribute.get_strategy()

    def count_correct(batch: dict) -> tf.Tensor:
        logits = model(batch["image"], training=False)
        top_1 = tf.argmax(logits, axis=-1) == batch["label"]
        top_5 = tf.math.in_top_k(
            batch["label"], logits, k=min(5, logits.shape[-1])
        )
        correct = tf.cast(tf.stack([top_1, top_5]), tf.float32)
        return tf.reduce_sum(correct * batch["weight"], axis=1)

    @tf.function
    def evaluate_batch(batch) -> tf.Tensor:
        return strategy.reduce(
            tf.distribute.ReduceOp.SUM,
            strategy.run(count_correct, args=(batch,)),
            axis=None,
        )

    correct = tf.zeros([2], tf.float64)
    batch_size = dataset.element_spec["weight"].shape[0]
    with progress.bar(num_images, description, "image") as bar:
        for batch in strategy.experimental_distribute_dataset(dataset):
            correct += tf.cast(evaluate_batch(batch), tf.float64)
            bar.update(min(batch_size, num_images - bar.n))
    top_1, top_5 = (correct / num_images).numpy().tolist()
    return Accuracy(top_1, top_5, num_images)

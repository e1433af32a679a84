"""Top-1 and top-5 accuracy of any model: teacher, student or average."""

import dataclasses
import math
from collections.abc import Callable, Iterator

import keras
import tensorflow as tf

from noisy_student import progress

# From the place of a worker, what its replicas evaluate, batch by batch.
Batches = Callable[[tf.distribute.InputContext], tf.data.Dataset]


@dataclasses.dataclass(frozen=True)
class Accuracy:
    """Shares of correct predictions, in [0, 1], over `num_images`."""

    top_1_accuracy: float
    top_5_accuracy: float
    num_images: int


def evaluate(
    model: keras.Model,
    batches: Batches,
    num_images: int,
    description: str = "evaluate",
    on_batch: Callable[[], None] = lambda: None,
    shown: bool = True,
) -> Accuracy:
    """Measures a model, counting every image exactly once.

    Args:
        model: images to logits; run without noise.
        batches: one pass over a worker's part of the images, in batches of a
            replica: `image`, `label` and `weight`, as
            `pipelines.plain_images` gives them.
        num_images: how many images have weight 1, over all workers.
        description: of the progress bar.
        on_batch: called after every step.
        shown: whether the progress bar is.
    """
    strategy = tf.distribute.get_strategy()

    def count_correct(batch: dict) -> tf.Tensor:
        logits = model(batch["image"], training=False)
        top_1 = tf.argmax(logits, axis=-1) == batch["label"]
        top_5 = tf.math.in_top_k(
            batch["label"], logits, k=min(5, logits.shape[-1])
        )
        counted = tf.ones_like(top_1)
        correct = tf.cast(tf.stack([top_1, top_5, counted]), tf.float32)
        return tf.reduce_sum(correct * batch["weight"], axis=1)

    @tf.function
    def evaluate_step(iterator: Iterator) -> tf.Tensor:
        return strategy.reduce(
            tf.distribute.ReduceOp.SUM,
            strategy.run(count_correct, args=(next(iterator),)),
            axis=None,
        )

    correct = tf.zeros([3], tf.float64)
    iterator, steps, step_size = _distribute(strategy, batches, num_images)
    with progress.bar(num_images, description, "image", shown=shown) as bar:
        for step in range(steps):
            correct += tf.cast(evaluate_step(iterator), tf.float64)
            bar.update(min(step_size, num_images - step * step_size))
            on_batch()
    top_1, top_5, counted = (correct / num_images).numpy().tolist()
    assert counted == 1, f"{counted * num_images} of {num_images} images"
    return Accuracy(top_1, top_5, num_images)


def _distribute(
    strategy: tf.distribute.Strategy, batches: Batches, num_images: int
) -> tuple[Iterator, int, int]:
    """Batches for all replicas, how many steps, and images of a step.

    Replicas work in step, so that a worker with fewer images goes on with
    images of weight 0.
    """
    sizes: list[tuple[int, int]] = []

    def padded(context: tf.distribute.InputContext) -> tf.data.Dataset:
        dataset = batches(context)
        workers = context.num_input_pipelines
        size = dataset.element_spec["weight"].shape[0]
        step_size = size * context.num_replicas_in_sync
        own = math.ceil(num_images / workers)
        sizes.append((math.ceil(own * workers / step_size), step_size))
        blank = {
            key: tf.zeros(spec.shape, spec.dtype)
            for key, spec in dataset.element_spec.items()
        }
        more = tf.data.Dataset.from_tensors(blank).repeat()
        return dataset.concatenate(more)

    iterator = iter(strategy.distribute_datasets_from_function(padded))
    return iterator, *sizes[0]

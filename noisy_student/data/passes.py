"""One pass over images by all replicas of a strategy, in step."""

import math
from collections.abc import Callable, Iterator

import tensorflow as tf

from noisy_student.data import plain

# From a worker's place to one pass over its images, in batches of a replica.
Batches = Callable[[tf.distribute.InputContext], tf.data.Dataset]


def distribute(
    batches: Batches, num_images: int
) -> tuple[Iterator[dict[str, tf.Tensor]], int, int]:
    """Hands the batches of a pass to the replicas of the current strategy.

    Replicas work in step: a worker with fewer images goes on with images of
    weight 0, whose `row` is `plain.NO_ROW`.

    Args:
        batches: Makes a worker's part of the pass: dicts of full batches with
            `weight`, as `plain.plain_images` returns them.
        num_images: The number of images, over all workers.

    Returns:
        The batches, endless, the number of steps that the pass takes, and the
        number of images in a step of all replicas.
    """
    sizes: list[tuple[int, int]] = []

    def padded(context: tf.distribute.InputContext) -> tf.data.Dataset:
        dataset = batches(context)
        workers = context.num_input_pipelines
        size = dataset.element_spec["weight"].shape[0]
        step_size = size * context.num_replicas_in_sync
        most = math.ceil(num_images / workers)  # of one worker
        sizes.append((math.ceil(most * workers / step_size), step_size))
        blank = {
            key: tf.zeros(spec.shape, spec.dtype)
            for key, spec in dataset.element_spec.items()
        }
        if "row" in blank:
            blank["row"] += plain.NO_ROW
        more = tf.data.Dataset.from_tensors(blank).repeat()
        return dataset.concatenate(more)

    strategy = tf.distribute.get_strategy()
    dataset = strategy.distribute_datasets_from_function(padded)
    return iter(dataset), *sizes[0]

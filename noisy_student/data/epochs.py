"""Order and batches: what is the same in every input pipeline.

Everything here is a function of (seed, place): a pipeline started at a later
batch yields what it would have yielded there, which is how a run resumes.
"""

import tensorflow as tf

from noisy_student.config import InputConfig
from noisy_student.data.decoding import Example

# Images decoded and noised at a time: enough to spread the cost of a call,
# few enough that memory does not grow with the batch.
CHUNK = 64


def shuffled_epochs(
    dataset: tf.data.Dataset,
    size: int,
    seed: tuple[int, int],
    first: int,
    buffer_size: int,
) -> tf.data.Dataset:
    """Repeats a dataset for ever, each epoch in another order.

    An epoch's order depends only on its number, so a start at a later image
    skips less than one epoch.

    Args:
        dataset: The images of one epoch.
        size: How many these are.
        seed: The seed of the order.
        first: The number of images that were taken before.
        buffer_size: How many images the next one is drawn from.
    """
    spec = dataset.element_spec
    tensors = tf.nest.flatten(spec)

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        # `dataset.shuffle` takes only Python seeds if the global seed is 0.
        seeds = seed_at(seed, number)
        shuffled = tf.raw_ops.ShuffleDataset(
            input_dataset=tf.data.experimental.to_variant(dataset),
            buffer_size=min(size, buffer_size),
            seed=seeds[0],
            seed2=seeds[1],
            output_types=[tensor.dtype for tensor in tensors],
            output_shapes=[tensor.shape for tensor in tensors],
            reshuffle_each_iteration=False,
        )
        return tf.data.experimental.from_variant(shuffled, spec)

    first_epoch, skipped = divmod(first, size)
    epochs = tf.data.Dataset.counter(first_epoch)
    return epochs.flat_map(epoch).skip(skipped)


def seed_at(seed: tuple[int, int], number: tf.Tensor) -> tf.Tensor:
    """Returns the seed, int64 (2,), of a chunk, batch or epoch by number."""
    return tf.random.experimental.stateless_fold_in(
        tf.constant(seed, tf.int64), number
    )


def chunk_size(batch_size: int) -> int:
    """Returns the largest divisor up to `CHUNK`, or the batch if it is tiny."""
    largest = max(n for n in range(1, CHUNK + 1) if batch_size % n == 0)
    return largest if 4 * largest >= CHUNK else batch_size


def pad(batch: Example, batch_size: int) -> Example:
    """Fills up a batch with zeros; their `weight` is 0 too."""

    def pad_one(tensor: tf.Tensor) -> tf.Tensor:
        missing = batch_size - tf.shape(tensor)[0]
        paddings = [[0, missing]] + [[0, 0]] * (tensor.shape.rank - 1)
        return tf.ensure_shape(
            tf.pad(tensor, paddings), [batch_size, *tensor.shape[1:]]
        )

    return {key: pad_one(tensor) for key, tensor in batch.items()}


def num_threads(config: InputConfig | None) -> int:
    """Returns the number of threads of one stage of a pipeline."""
    return (config and config.num_parallel_calls) or tf.data.AUTOTUNE


def options() -> tf.data.Options:
    """Returns options that turn off tuning while a pipeline runs.

    The end of an iterator waits for the tuning thread, which sleeps for up to
    a minute. Without it, parallelism is set by the machine from the start.
    """
    chosen = tf.data.Options()
    chosen.autotune.enabled = False
    return chosen

"""Chunks, batches and threads: what is the same in every input pipeline."""

from collections.abc import Collection

import tensorflow as tf

from noisy_student import cores
from noisy_student.config import InputConfig
from noisy_student.data.decoding import Example
from noisy_student.data.sources import ImageSource

# Images decoded and noised at a time: enough to spread the cost of a call,
# few enough that memory does not grow with the batch.
CHUNK = 64


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
    """Returns the number of threads of one stage of a pipeline.

    It is not left to `tf.data.AUTOTUNE`, which is 16 at most without tuning
    (see `options`).
    """
    return (config and config.num_parallel_calls) or cores.available()


def options() -> tf.data.Options:
    """Returns options that turn off tuning while a pipeline runs.

    The end of an iterator waits for the tuning thread, which sleeps for up to
    a minute. Without it, parallelism is set by the machine from the start.
    """
    chosen = tf.data.Options()
    chosen.autotune.enabled = False
    return chosen


def select(
    source: ImageSource, examples: Example, keys: Collection[str]
) -> Example:
    """Returns `encoded`, these keys, and `record`, the names for messages."""
    if "record" not in examples:
        numbers = tf.strings.as_string(examples["index"])
        names = tf.strings.join(["image ", numbers, f" of {source.name}"])
        examples = examples | {"record": names}
    return {key: examples[key] for key in ("encoded", "record", *keys)}

"""Sizes of batches: the chunks they are made of, and the last one's padding."""

import tensorflow as tf

from noisy_student.data.decoding import Example

# Images are decoded and noised so many at a time: enough to spread what a
# call costs, few enough that memory does not grow with the batch.
CHUNK = 64


def chunk_size(batch_size: int) -> int:
    """The largest divisor up to `CHUNK`; the batch where that is tiny."""
    largest = max(n for n in range(1, CHUNK + 1) if batch_size % n == 0)
    return largest if 4 * largest >= CHUNK else batch_size


def merge_chunks(chunks: Example) -> Example:
    """(chunks, size, ...) to (chunks * size, ...)."""
    return {key: tf.reshape(x, [-1, *x.shape[2:]]) for key, x in chunks.items()}


def pad(batch: Example, batch_size: int) -> Example:
    """Fills a batch up with zeros, whose `weight` is 0 too."""

    def pad_one(tensor: tf.Tensor) -> tf.Tensor:
        missing = batch_size - tf.shape(tensor)[0]
        paddings = [[0, missing]] + [[0, 0]] * (tensor.shape.rank - 1)
        return tf.ensure_shape(
            tf.pad(tensor, paddings), [batch_size, *tensor.shape[1:]]
        )

    return {key: pad_one(tensor) for key, tensor in batch.items()}

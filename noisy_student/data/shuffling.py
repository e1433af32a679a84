"""Order and seeds as functions of (seed, number): what resuming rests on."""

import tensorflow as tf


def shuffled_epochs(
    dataset: tf.data.Dataset,
    size: int,
    seed: tuple[int, int],
    first: int,
    buffer_size: int,
) -> tf.data.Dataset:
    """Repeats `dataset` for ever, each epoch in an order of its own.

    An epoch's order depends on its number only, so that a start at the
    `first`-th image passes over less than one epoch. The next image is drawn
    from `buffer_size`.
    """

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        return _shuffled(dataset, min(size, buffer_size), seed_at(seed, number))

    first_epoch, skipped = divmod(first, size)
    epochs = tf.data.Dataset.counter(first_epoch)
    return epochs.flat_map(epoch).skip(skipped)


def _shuffled(
    dataset: tf.data.Dataset, buffer_size: int, seed: tf.Tensor
) -> tf.data.Dataset:
    """`dataset.shuffle` with a seed that is a tensor, int64 (2,).

    The method takes Python seeds alone where the global seed is 0.
    """
    spec = dataset.element_spec
    shuffled = tf.raw_ops.ShuffleDataset(
        input_dataset=tf.data.experimental.to_variant(dataset),
        buffer_size=buffer_size,
        seed=seed[0],
        seed2=seed[1],
        output_types=[part.dtype for part in tf.nest.flatten(spec)],
        output_shapes=[part.shape for part in tf.nest.flatten(spec)],
        reshuffle_each_iteration=False,
    )
    return tf.data.experimental.from_variant(shuffled, spec)


def seed_at(seed: tuple[int, int], number: tf.Tensor) -> tf.Tensor:
    """The seed, int64 (2,), of an image, batch or epoch by its number."""
    return tf.random.experimental.stateless_fold_in(
        tf.constant(seed, tf.int64), number
    )

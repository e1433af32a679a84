"""The order of the images in training, epoch by epoch.

Images are read by blocks: an image file is one, and so are up to 8 records
that follow one another in their file. Every epoch, all blocks are drawn in
another order; then the images of some blocks at a time, a window, are shuffled
together. Where blocks are single images, their order alone does it.

The order is a function of (seed, epoch, place): no thread, kill or later start
changes it. The window that holds a place is found by arithmetic; what comes
before it is not read.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

# How many windows are in memory: the current one, and the next two are read.
_WINDOWS = 3
_HANDED_OVER = 64  # images at a time, between the threads that read


class Blocks(NamedTuple):
    """How the images of a source are read, a block at a time.

    Attributes:
        sizes: int64 (blocks,), the number of images of each block. Together,
            the blocks hold the images in the source's order.
        read: From a dataset of numbers of blocks, int64 (), to a dataset of
            what is read of their images, in the order of the numbers.
        parse: From the places of some images in the source, int64 (images,),
            and what was read of them to a batch of examples, as
            `ImageSource.read_batches` has them.
    """

    sizes: np.ndarray
    read: Callable[[tf.data.Dataset], tf.data.Dataset]
    parse: Callable[[tf.Tensor, Any], dict[str, tf.Tensor]]


def seed_at(seed: tuple[int, int], number: tf.Tensor) -> tf.Tensor:
    """Returns the seed, int64 (2,), of a chunk, batch or epoch by number."""
    return _fold_in(tf.constant(seed, tf.int64), number)


def in_order(blocks: Blocks, batch_size: int) -> tf.data.Dataset:
    """Returns batches of a source's examples, once and in its order."""
    numbers = tf.data.Dataset.range(len(blocks.sizes))
    places = tf.data.Dataset.range(int(blocks.sizes.sum()))
    return (
        tf.data.Dataset.zip(places, blocks.read(numbers))
        .batch(batch_size)
        .map(blocks.parse)
    )


def epochs(
    blocks: Blocks,
    seed: tuple[int, int],
    first: int,
    buffer_size: int,
    read: bool = True,
) -> tf.data.Dataset:
    """Returns the images of endless epochs, each in another order.

    Args:
        blocks: How they are read.
        seed: Of the order.
        first: The number of images that were taken before.
        buffer_size: The number of images in memory, where blocks hold several.
        read: Whether to read them.

    Returns:
        A dataset of the places of images in the source, int64 (), or with
        `read` of pairs of these and what was read of the image.
    """
    sizes = tf.constant(blocks.sizes, tf.int64)
    starts = tf.cumsum(sizes, exclusive=True)
    largest, share = int(blocks.sizes.max()), max(1, buffer_size // _WINDOWS)

    def images_of(numbers: tf.Tensor) -> tf.data.Dataset:
        begins = tf.gather(starts, numbers)
        ends = begins + tf.gather(sizes, numbers)
        places = tf.data.Dataset.from_tensor_slices(
            tf.ragged.range(begins, ends).flat_values
        )
        if not read:
            return places
        numbers = tf.data.Dataset.from_tensor_slices(numbers)
        return tf.data.Dataset.zip(places, blocks.read(numbers))

    def single(window: dict[str, tf.Tensor]) -> tf.data.Dataset:
        return images_of(window["blocks"][window["skipped"] :])

    def shuffled(window: dict[str, tf.Tensor]) -> tf.data.Dataset:
        images = images_of(window["blocks"])
        return _shuffle(images, share, window["seed"]).skip(window["skipped"])

    if largest == 1:
        return _windows(blocks.sizes, seed, first, len(sizes)).flat_map(single)
    windows = _windows(blocks.sizes, seed, first, max(1, share // largest))
    if not read:
        return windows.flat_map(shuffled)
    # In parallel, so that later windows are read while one is in use; and
    # several images at a time, as each handover between threads costs time.
    return windows.interleave(
        lambda window: shuffled(window).batch(_HANDED_OVER),
        cycle_length=1,
        num_parallel_calls=1,
        deterministic=True,
    ).unbatch()


def _windows(
    sizes: np.ndarray, seed: tuple[int, int], first: int, count: int
) -> tf.data.Dataset:
    """Returns the windows of endless epochs, from that of an image on.

    Args:
        sizes: See `Blocks`.
        seed: Of the order.
        first: The number of images that were taken before.
        count: The number of blocks in a window; an epoch's last has the rest.

    Returns:
        A dataset of dicts: `blocks`, int64 (count or fewer,), their numbers;
        `seed`, int64 (2,); and `skipped`, int64 (), how many images of the
        window were taken before.
    """
    num_windows = -(-len(sizes) // count)
    first_epoch, taken = divmod(first, int(sizes.sum()))
    numbers = tf.range(len(sizes), dtype=tf.int64)

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        epoch_seed = seed_at(seed, number)
        order = tf.random.experimental.stateless_shuffle(numbers, epoch_seed)
        left = tf.where(number == first_epoch, tf.constant(taken, tf.int64), 0)
        # How many images there are up to the end of each whole window.
        ends = tf.cumsum(tf.gather(sizes, order))[count - 1 :: count]
        ends = tf.boolean_mask(ends, ends <= left)
        begin = tf.size(ends, out_type=tf.int64)
        left -= tf.reduce_max(tf.concat([[0], ends], 0))

        def window(place: tf.Tensor) -> dict[str, tf.Tensor]:
            return {
                "blocks": order[place * count : (place + 1) * count],
                "seed": _fold_in(epoch_seed, place),
                "skipped": tf.where(place == begin, left, 0),
            }

        return tf.data.Dataset.range(begin, num_windows).map(window)

    return tf.data.Dataset.counter(first_epoch).flat_map(epoch)


def _shuffle(
    dataset: tf.data.Dataset, buffer_size: int, seed: tf.Tensor
) -> tf.data.Dataset:
    # `dataset.shuffle` takes only Python seeds if the global seed is 0.
    tensors = tf.nest.flatten(dataset.element_spec)
    shuffled = tf.raw_ops.ShuffleDataset(
        input_dataset=tf.data.experimental.to_variant(dataset),
        buffer_size=buffer_size,
        seed=seed[0],
        seed2=seed[1],
        output_types=[tensor.dtype for tensor in tensors],
        output_shapes=[tensor.shape for tensor in tensors],
        reshuffle_each_iteration=False,
    )
    return tf.data.experimental.from_variant(shuffled, dataset.element_spec)


def _fold_in(seed: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    return tf.random.experimental.stateless_fold_in(seed, number)

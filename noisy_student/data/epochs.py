"""The core of the training pipelines: order, decoding, noise, batches.

Everything here is a function of (seed, place): a pipeline started at a later
batch yields what it would have yielded there, which is how a run resumes.
"""

import dataclasses
import enum
from collections.abc import Callable

import tensorflow as tf

from noisy_student.config import InputConfig, NoiseConfig
from noisy_student.data import decoding, views
from noisy_student.data.decoding import Example
from noisy_student.errors import InputError

# From a batch and whether each image could be decoded, bool (batch,).
Check = Callable[[Example, tf.Tensor], Example]
# From the number of a chunk of images, int64 (), and the chunk.
_Stage = Callable[[tf.Tensor, Example], Example]

# Images decoded and noised at a time: enough to spread the cost of a call,
# few enough that memory does not grow with the batch.
CHUNK = 64
_MAX_CACHED_SIDE = 64  # 12 KiB per image


class Stream(enum.IntEnum):
    """Each stream has its own order and noise on each worker."""

    LABELED = 0
    UNLABELED = 1


@dataclasses.dataclass(frozen=True)
class BatchSpec:
    """What training batches are like.

    Attributes:
        image_format: The form of the images.
        noise: The input noise.
        batch_size: The number of images in a batch.
        seed: The seed of order and noise.
        first_batch: The number of batches already taken.
        teacher_side: The side of the `teacher_image` in unlabelled batches,
            the same images as evaluation sees them; None leaves it out.
        second_view: Whether there is also a `second_image`, the same images
            under noise of their own.
        input: How memory and threads are used.
        worker: Which worker's batches these are, in [0, num_workers).
        num_workers: The number of workers, each of which sees its part of
            the images.
    """

    image_format: views.ImageFormat
    noise: NoiseConfig
    batch_size: int
    seed: int
    first_batch: int = 0
    teacher_side: int | None = None
    second_view: bool = False
    input: InputConfig = dataclasses.field(default_factory=InputConfig)
    worker: int = 0
    num_workers: int = 1


def noised_epochs(
    dataset: tf.data.Dataset,
    num_images: int,
    spec: BatchSpec,
    stream: Stream,
    check: Check,
) -> tf.data.Dataset:
    """Decodes, shuffles, repeats, noises and batches `encoded` images.

    Small images are decoded before they are shuffled and kept in memory if
    they fit; others stay encoded until their turn comes. Adds `row`, int64,
    the place of an image in `dataset`.
    """
    if not num_images:
        raise InputError(
            f"There are no images for worker {spec.worker} of "
            f"{spec.num_workers}; use fewer workers."
        )
    seed = (spec.seed, len(Stream) * spec.worker + stream)
    size, chunk = spec.batch_size, chunk_size(spec.batch_size)
    first = spec.first_batch * size
    threads = num_threads(spec.input)
    decode, augment = _stages(spec, seed, check)

    dataset = dataset.enumerate().map(
        lambda row, example: example | {"row": row}
    )
    decoded = (
        dataset.batch(CHUNK)
        .enumerate()
        .map(decode, num_parallel_calls=threads)
        .unbatch()
    )
    cached = _fits_in_cache(decoded, num_images, spec)
    return (
        _shuffled_epochs(
            decoded.cache() if cached else dataset,
            num_images,
            seed,
            first,
            spec.input.shuffle_buffer_size,
        )
        .batch(chunk, drop_remainder=True)
        .enumerate(first // chunk)
        .map(
            lambda i, x: augment(i, x if cached else decode(i, x)),
            num_parallel_calls=threads,
        )
        .batch(size // chunk, drop_remainder=True)
        .map(merge_chunks)
        .prefetch(2)
        .with_options(options())
    )


def _stages(
    spec: BatchSpec, seed: tuple[int, int], check: Check
) -> tuple[_Stage, _Stage]:
    """Returns two functions of a chunk's number and the chunk.

    The first decodes images to what does not change in a small image from
    epoch to epoch, or to the random crop of a large one. The second adds the
    views that are copies of another, and noise.
    """
    image_format, clean = spec.image_format, spec.noise.remove_aug
    # Then the teacher sees the image itself before its noise.
    copied = image_format.small and spec.teacher_side == image_format.side
    teacher_side = None if copied else spec.teacher_side
    if image_format.small or clean:
        view, view_spec = views.plain_view(image_format, teacher_side)
    else:
        view, view_spec = views.random_view(
            image_format, teacher_side, spec.second_view
        )
    noise = views.batch_noise(image_format, spec.noise)

    def decode(number: tf.Tensor, chunk: Example) -> Example:
        encoded = chunk["encoded"]
        count = tf.size(encoded, out_type=tf.int64)
        seeds = tf.random.stateless_uniform(
            tf.stack([count, 2]), seed_at(seed, number), None, None, tf.int64
        )
        images, decodable = decoding.decode_batch(
            encoded, seeds, view, view_spec
        )
        checked = check(images | chunk, decodable)
        read = ("encoded", "record")
        return {key: x for key, x in checked.items() if key not in read}

    def augment(number: tf.Tensor, chunk: Example) -> Example:
        if copied:
            chunk = chunk | {"teacher_image": chunk["image"]}
        if spec.second_view and "second_image" not in chunk:
            chunk = chunk | {"second_image": chunk["image"]}
        if clean:
            return chunk
        # Negative numbers: other seeds than those of the views.
        first = seed_at(seed, -1 - number)
        noised = {"image": noise(chunk["image"], first)}
        if spec.second_view:
            second = tf.random.experimental.stateless_fold_in(first, 1)
            noised["second_image"] = noise(chunk["second_image"], second)
        return chunk | noised

    return decode, augment


def _fits_in_cache(
    decoded: tf.data.Dataset, num_images: int, spec: BatchSpec
) -> bool:
    """Returns whether decoded examples are few and small enough to keep."""
    image_format = spec.image_format
    if not image_format.small or image_format.side > _MAX_CACHED_SIDE:
        return False
    example = sum(
        tensor.shape.num_elements() * tensor.dtype.size
        for tensor in decoded.element_spec.values()
    )
    return num_images * example <= spec.input.cache_mib * 2**20


def _shuffled_epochs(
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

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        return _shuffled(dataset, min(size, buffer_size), seed_at(seed, number))

    first_epoch, skipped = divmod(first, size)
    epochs = tf.data.Dataset.counter(first_epoch)
    return epochs.flat_map(epoch).skip(skipped)


def _shuffled(
    dataset: tf.data.Dataset, buffer_size: int, seed: tf.Tensor
) -> tf.data.Dataset:
    """Does what `dataset.shuffle` does, with a seed that is int64 (2,).

    The method takes only Python seeds if the global seed is 0.
    """
    spec = dataset.element_spec
    shuffled = tf.raw_ops.ShuffleDataset(
        input_dataset=tf.data.experimental.to_variant(dataset),
        buffer_size=buffer_size,
        seed=seed[0],
        seed2=seed[1],
        output_types=[tensor.dtype for tensor in tf.nest.flatten(spec)],
        output_shapes=[tensor.shape for tensor in tf.nest.flatten(spec)],
        reshuffle_each_iteration=False,
    )
    return tf.data.experimental.from_variant(shuffled, spec)


def seed_at(seed: tuple[int, int], number: tf.Tensor) -> tf.Tensor:
    """Returns the seed, int64 (2,), of a chunk, batch or epoch by number."""
    return tf.random.experimental.stateless_fold_in(
        tf.constant(seed, tf.int64), number
    )


def chunk_size(batch_size: int) -> int:
    """Returns the largest divisor up to `CHUNK`, or the batch if it is tiny."""
    largest = max(n for n in range(1, CHUNK + 1) if batch_size % n == 0)
    return largest if 4 * largest >= CHUNK else batch_size


def merge_chunks(chunks: Example) -> Example:
    """Reshapes (chunks, size, ...) to (chunks * size, ...)."""
    return {key: tf.reshape(x, [-1, *x.shape[2:]]) for key, x in chunks.items()}


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

"""The core of the training pipelines: order, decoding, noise, batches.

A function of (seed, place): started at a later batch it yields what it would
have yielded there, which is how a run resumes.

Small images (`Task.small_images`) are resized, cached decoded where they are
small then too, and cropped by padding; larger ones stay encoded and are
decoded where they are cropped.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from noisy_student.config import InputConfig, NoiseConfig
from noisy_student.data import batching, decoding, shuffling, views
from noisy_student.data.decoding import Example
from noisy_student.errors import InputError

# From a chunk's number, int64 (), and the chunk.
Stage = Callable[[tf.Tensor, Example], Example]

_MAX_CACHED_SIDE = 64  # 12 KiB an image
# Each kind of images has an order and noise of its own, on each worker.
LABELED, UNLABELED = 0, 1
_KINDS = 2


@dataclasses.dataclass(frozen=True)
class NoisedBatches:
    """What training batches are like.

    Attributes:
        image_format: of the images.
        noise: their input noise.
        batch_size: images of this kind in a batch.
        seed: of order and noise.
        first_batch: number of batches already taken.
        teacher_side: side of the `teacher_image` that unlabelled batches
            have too, the same images as evaluation sees them; None is none.
        second_view: whether there is also a `second_image`, the same images
            under noise of its own.
        input: how memory and threads are used.
        worker, num_workers: of these workers, each of which sees its part
            of the images.
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
    batches: NoisedBatches,
    kind: int,
    check: Callable[[Example, tf.Tensor], Example],
) -> tf.data.Dataset:
    """Shuffles, repeats, decodes, noises and batches `encoded` images.

    Adds `row`, int64: an image's place in `dataset`, the same in all epochs.

    Args:
        dataset: the worker's part of the images, in their order.
        num_images: how many these are.
        batches: what they become.
        kind: `LABELED` or `UNLABELED`.
        check: says what to do where images could not be decoded.

    Raises:
        InputError: the worker has no images.
    """
    if not num_images:
        raise InputError(
            f"There are no images for worker {batches.worker} of "
            f"{batches.num_workers}; use fewer workers."
        )
    size = batches.batch_size
    seed = (batches.seed, _KINDS * batches.worker + kind)
    chunk, first = batching.chunk_size(size), batches.first_batch * size
    decode, augment = _stages(batches, seed, check)
    threads = num_threads(batches.input)

    dataset = dataset.enumerate().map(
        lambda row, example: example | {"row": row}
    )
    decoded = dataset.batch(batching.CHUNK).enumerate()
    decoded = decoded.map(decode, num_parallel_calls=threads).unbatch()
    cached = _fits_in_cache(decoded, num_images, batches)
    if cached:  # always the same, whatever the noise
        dataset = decoded.cache()
    return (
        shuffling.shuffled_epochs(
            dataset, num_images, seed, first, batches.input.shuffle_buffer_size
        )
        .batch(chunk, drop_remainder=True)
        .enumerate(first // chunk)
        .map(
            lambda i, x: augment(i, x if cached else decode(i, x)),
            num_parallel_calls=threads,
        )
        .batch(size // chunk, drop_remainder=True)
        .map(batching.merge_chunks)
        .prefetch(2)
        .with_options(options())
    )


def _stages(
    batches: NoisedBatches,
    seed: tuple[int, int],
    check: Callable[[Example, tf.Tensor], Example],
) -> tuple[Stage, Stage]:
    """Two functions of a chunk's number and the chunk: decode and augment."""
    image_format, clean = batches.image_format, batches.noise.remove_aug
    teacher = batches.teacher_side
    # Then it is the image itself before its noise.
    copied = image_format.small and teacher == image_format.side
    sides = None if copied else teacher
    if image_format.small or clean:
        view, spec = views.plain_view(image_format, sides)
    else:
        view, spec = views.random_view(image_format, sides, batches.second_view)
    noise = views.batch_noise(image_format, batches.noise)

    def decode(number: tf.Tensor, chunk: Example) -> Example:
        count = tf.size(chunk["encoded"], out_type=tf.int64)
        seeds = tf.random.stateless_uniform(
            tf.stack([count, 2]),
            shuffling.seed_at(seed, number),
            None,
            None,
            tf.int64,
        )
        images, decodable = decoding.decode_batch(
            chunk["encoded"], seeds, view, spec
        )
        rest = {k: x for k, x in chunk.items() if k != "encoded"}
        checked = check(images | rest, decodable)
        return {k: x for k, x in checked.items() if k != "record"}

    def augment(number: tf.Tensor, chunk: Example) -> Example:
        if copied:
            chunk = chunk | {"teacher_image": chunk["image"]}
        if batches.second_view and "second_image" not in chunk:
            chunk = chunk | {"second_image": chunk["image"]}
        if clean:
            return chunk
        # Negative: other seeds than the views'.
        own = shuffling.seed_at(seed, -1 - number)
        noised = {"image": noise(chunk["image"], own)}
        if batches.second_view:
            other = tf.random.experimental.stateless_fold_in(own, 1)
            noised["second_image"] = noise(chunk["second_image"], other)
        return chunk | noised

    return decode, augment


def _fits_in_cache(
    decoded: tf.data.Dataset, num_images: int, batches: NoisedBatches
) -> bool:
    """Whether a source's decoded examples are few and small enough to keep."""
    image_format = batches.image_format
    if not image_format.small or image_format.side > _MAX_CACHED_SIDE:
        return False
    example = sum(
        spec.shape.num_elements() * spec.dtype.size
        for spec in decoded.element_spec.values()
    )
    return num_images * example <= batches.input.cache_mib * 2**20


def num_threads(config: InputConfig) -> int:
    """Threads of one stage of a pipeline."""
    return config.num_parallel_calls or tf.data.AUTOTUNE


def options() -> tf.data.Options:
    """Without the thread that tunes a pipeline while it runs.

    An iterator's end waits for that thread, which sleeps up to a minute.
    Without it, parallelism is what the machine has from the start.
    """
    chosen = tf.data.Options()
    chosen.autotune.enabled = False
    return chosen

"""The input pipelines of training; `plain.py` has that without noise.

Each reads top to bottom, one verb a line: `order.py` has the order of the
images, `views.py` what is done to one.
"""

import dataclasses
import enum
import math
from collections.abc import Collection

import numpy as np
import tensorflow as tf

from noisy_student.data import batching, decoding, noised, order, views
from noisy_student.data.decoding import Example
from noisy_student.data.pseudo_labeled import PseudoLabeledSource
from noisy_student.data.sources import ImageSource
from noisy_student.data.views import BatchSpec
from noisy_student.errors import InputError

_MAX_CACHED_SIDE = 64  # 12 KiB per image


class _Stream(enum.IntEnum):
    """Each stream has its own order and noise on each worker."""

    LABELED = 0
    UNLABELED = 1


def training_batches(
    labeled: ImageSource,
    unlabeled: ImageSource | None,
    spec: BatchSpec,
    unlabeled_batch_size: int,
    keys: Collection[str],
    sample_prob: float = 1.0,
    class_weights: np.ndarray | None = None,
) -> tf.data.Dataset:
    """Returns endless batches of labelled and unlabelled images.

    Args:
        labeled: The labelled images of all workers.
        unlabeled: The unlabelled ones; None leaves them out.
        spec: What the batches are like; `batch_size` is that of the labelled
            images.
        unlabeled_batch_size: The number of unlabelled images in a batch.
        keys: What is kept of `labeled_images` and `unlabeled_images`, besides
            the seeds of noise that the step adds.
        sample_prob: See `labeled_images`.
        class_weights: See `labeled_images`.

    Raises:
        InputError: The batches lack a key, or a worker has no images.
    """
    dataset = labeled_images(labeled, spec, sample_prob, class_weights)
    if unlabeled is not None:
        spec = dataclasses.replace(spec, batch_size=unlabeled_batch_size)
        others = unlabeled_images(unlabeled, spec)
        dataset = tf.data.Dataset.zip(dataset, others).map(
            lambda batch, other: batch | other
        )
    missing = sorted(set(keys) - set(dataset.element_spec))
    if missing:
        raise InputError(
            f"The method reads {', '.join(missing)}, and this run's batches "
            f"have {', '.join(sorted(dataset.element_spec))}."
        )
    seeds = [key for key in dataset.element_spec if key.endswith(noised.SEED)]
    return dataset.map(lambda batch: {k: batch[k] for k in [*keys, *seeds]})


def labeled_images(
    source: ImageSource,
    spec: BatchSpec,
    sample_prob: float = 1.0,
    class_weights: np.ndarray | None = None,
) -> tf.data.Dataset:
    """Returns endless batches of noised labelled images.

    An image that cannot be decoded ends the iteration with an error; see
    `decoding.input_errors`.

    Args:
        source: The images of all workers.
        spec: What the batches are like.
        sample_prob: The probability that an image's loss counts, in (0, 1].
        class_weights: How much the loss of an image counts by its label,
            float32 (num_classes,); None for 1.

    Returns:
        A dataset of dicts: `image`, uint8 (batch_size, side, side, 3),
        `label`, int64 (batch_size,), `row`, int64 (batch_size,), the place of
        an image among the worker's, `label_weight`, float32 (batch_size,), 0
        or its class's, and with `second_view` also `second_image`, like
        `image`. With `noise_form` device also `noise_seed`, int64
        (batch_size, 2).

    Raises:
        InputError: The worker has no images.
    """

    def check(batch: Example, decodable: tf.Tensor) -> Example:
        decoding.refuse_undecodable(batch["record"], decodable)
        return batch

    def add_weight(number: tf.Tensor, batch: Example) -> Example:
        seed = order.seed_at((spec.seed, ~spec.worker), number)
        draws = tf.random.stateless_uniform([spec.batch_size], seed)
        weight = tf.cast(draws < sample_prob, tf.float32)
        if class_weights is not None:
            weight *= tf.gather(class_weights, batch["label"])
        return batch | {"label_weight": weight}

    without_teacher = dataclasses.replace(spec, teacher_side=None)
    return (
        _noised_epochs(
            source, ("label",), without_teacher, _Stream.LABELED, check
        )
        .enumerate(spec.first_batch)
        .map(add_weight)
    )


def unlabeled_images(source: ImageSource, spec: BatchSpec) -> tf.data.Dataset:
    """Returns endless batches of noised images that a teacher labels.

    An image that cannot be decoded is black, has weight 0 and is warned of.
    So every other image keeps its place in the order, which a run that
    resumes relies on.

    Args:
        source: The images of all workers; their labels are ignored, but
            for those of a `PseudoLabeledSource`.
        spec: What the batches are like.

    Returns:
        A dataset of dicts: `unlabeled_image`, uint8 (batch_size, side, side,
        3), with `second_view` also `unlabeled_second_image`, with
        `teacher_side` also `teacher_image`, uint8 (batch_size, teacher_side,
        teacher_side, 3), `unlabeled_row`, int64 (batch_size,), the place of
        an image among the worker's, and `unlabeled_weight`, float32
        (batch_size,), 0 or 1. With pseudo labels also `unlabeled_label`,
        int64 (batch_size,), and the teacher's `unlabeled_probabilities`,
        float32 (batch_size, num_classes). With `noise_form` device also
        `unlabeled_noise_seed`, int64 (batch_size, 2).

    Raises:
        InputError: The worker has no images.
    """
    warnings = decoding.SkipWarnings()
    spec = dataclasses.replace(spec, noise=spec.noise.of_unlabeled())

    def check(batch: Example, decodable: tf.Tensor) -> Example:
        warnings.watch(batch["record"], decodable)
        return batch | {"weight": tf.cast(decodable, tf.float32)}

    def rename(batch: Example) -> Example:
        teacher = {k: batch.pop(k) for k in ["teacher_image"] if k in batch}
        return {f"unlabeled_{k}": x for k, x in batch.items()} | teacher

    pseudo = isinstance(source, PseudoLabeledSource)
    keys = ("label", "probabilities") if pseudo else ()
    stream = _Stream.UNLABELED
    return _noised_epochs(source, keys, spec, stream, check).map(rename)


def _noised_epochs(
    source: ImageSource,
    keys: tuple[str, ...],
    spec: BatchSpec,
    stream: _Stream,
    check: views.Check,
) -> tf.data.Dataset:
    """Draws an order, reads, decodes, noises and batches a worker's images.

    Small images stay in memory, decoded, if they fit; others are read and
    decoded when their turn comes. Adds `row`, int64, the place of an image
    among the worker's.
    """
    source = _worker_images(source, spec)
    if not spec.image_format.small:
        side = max(spec.image_format.side, spec.teacher_side or 0)
        source = source.in_memory(side, spec.input.cache_mib * 2**20)
    seed = (spec.seed, len(_Stream) * spec.worker + stream)
    size, chunk = spec.batch_size, batching.chunk_size(spec.batch_size)
    first = spec.first_batch * size
    threads = batching.num_threads(spec.input)
    decode, augment = views.chunk_maps(spec, seed, check, source.exif)
    blocks = source.blocks()
    decoded = (
        source.read()
        .batch(batching.CHUNK)
        .map(lambda examples: batching.select(source, examples, keys))
        .enumerate()
        .map(decode, num_parallel_calls=threads)
    )
    cached = _fits_in_cache(decoded, source.num_images, spec)
    chunks = (
        order.epochs(
            blocks, seed, first, spec.input.shuffle_buffer_size, not cached
        )
        .batch(chunk, drop_remainder=True)
        .enumerate(first // chunk)
    )

    def read_chunk(number: tf.Tensor, taken: tuple) -> Example:
        places, encoded = taken
        examples = batching.select(source, blocks.parse(places, encoded), keys)
        return augment(number, decode(number, examples) | {"row": places})

    def look_up(kept: Example, chunk: tuple) -> Example:
        number, places = chunk
        images = {key: tf.gather(x, places) for key, x in kept.items()}
        return augment(number, images | {"row": places})

    if cached:
        kept = decoded.rebatch(source.num_images).cache().repeat()
        noised = tf.data.Dataset.zip(kept, chunks).map(look_up, threads)
    else:
        noised = chunks.map(read_chunk, threads)
    return (
        noised.rebatch(size, drop_remainder=True)
        .prefetch(2)
        .with_options(batching.options())
    )


def _worker_images(source: ImageSource, spec: BatchSpec) -> ImageSource:
    """Returns the images of this worker.

    Raises:
        InputError: It has none.
    """
    part = source.worker_part(spec.worker, spec.num_workers)
    if not part.num_images:
        raise InputError(
            f"There are no images for worker {spec.worker} of "
            f"{spec.num_workers}; use fewer workers."
        )
    return part


def _fits_in_cache(
    decoded: tf.data.Dataset, num_images: int, spec: BatchSpec
) -> bool:
    """Returns whether decoded batches are few and small enough to keep."""
    image_format = spec.image_format
    if not image_format.small or image_format.side > _MAX_CACHED_SIDE:
        return False
    example = sum(
        math.prod(tensor.shape[1:]) * tensor.dtype.size
        for tensor in decoded.element_spec.values()
    )
    return num_images * example <= spec.input.cache_mib * 2**20

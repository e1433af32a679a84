"""The input pipelines: training, evaluation and prediction.

Each reads top to bottom, one verb a line: `epochs.py` has their order and
batches, `views.py` what is done to an image.
"""

import dataclasses
import enum
from collections.abc import Collection

import tensorflow as tf

from noisy_student.config import InputConfig
from noisy_student.data import decoding, epochs, views
from noisy_student.data.decoding import Example
from noisy_student.data.sources import ImageSource
from noisy_student.data.tfrecords import PseudoLabeledSource
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
) -> tf.data.Dataset:
    """Returns endless batches of labelled and unlabelled images.

    Args:
        labeled: The labelled images of all workers.
        unlabeled: The unlabelled ones; None leaves them out.
        spec: What the batches are like; `batch_size` is that of the labelled
            images.
        unlabeled_batch_size: The number of unlabelled images in a batch.
        keys: What is kept of `labeled_images` and `unlabeled_images`.
        sample_prob: See `labeled_images`.

    Raises:
        InputError: The batches lack a key, or a worker has no images.
    """
    dataset = labeled_images(labeled, spec, sample_prob)
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
    return dataset.map(lambda batch: {key: batch[key] for key in keys})


def labeled_images(
    source: ImageSource, spec: BatchSpec, sample_prob: float = 1.0
) -> tf.data.Dataset:
    """Returns endless batches of noised labelled images.

    An image that cannot be decoded ends the iteration with an error; see
    `decoding.input_errors`.

    Args:
        source: The images of all workers.
        spec: What the batches are like.
        sample_prob: The probability that an image's loss counts, in (0, 1].

    Returns:
        A dataset of dicts: `image`, uint8 (batch_size, side, side, 3),
        `label`, int64 (batch_size,), `row`, int64 (batch_size,), the place of
        an image among the worker's, `label_weight`, float32 (batch_size,), 0
        or 1, and with `second_view` also `second_image`, like `image`.

    Raises:
        InputError: The worker has no images.
    """

    def check(batch: Example, decodable: tf.Tensor) -> Example:
        decoding.refuse_undecodable(batch["record"], decodable)
        return batch

    def add_weight(number: tf.Tensor, batch: Example) -> Example:
        seed = epochs.seed_at((spec.seed, ~spec.worker), number)
        draws = tf.random.stateless_uniform([spec.batch_size], seed)
        weight = tf.cast(draws < sample_prob, tf.float32)
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
        float32 (batch_size, num_classes).

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
    """Reads, shuffles, repeats, decodes, noises and batches a worker's images.

    Small images are decoded before they are shuffled and kept in memory if
    they fit; others stay encoded until their turn comes. Adds `row`, int64,
    the place of an image among the worker's.
    """
    source = source.worker_part(spec.worker, spec.num_workers)
    if not source.num_images:
        raise InputError(
            f"There are no images for worker {spec.worker} of "
            f"{spec.num_workers}; use fewer workers."
        )
    seed = (spec.seed, len(_Stream) * spec.worker + stream)
    size, chunk = spec.batch_size, epochs.chunk_size(spec.batch_size)
    first = spec.first_batch * size
    threads = epochs.num_threads(spec.input)
    decode, augment = views.chunk_maps(spec, seed, check)
    images = (
        _examples(source, *keys)
        .enumerate()
        .map(lambda row, image: image | {"row": row})
    )
    # Only for small images that fit in memory; others are decoded after the
    # shuffle.
    decoded = (
        images.batch(epochs.CHUNK)
        .enumerate()
        .map(decode, num_parallel_calls=threads)
        .unbatch()
    )
    cached = _fits_in_cache(decoded, source.num_images, spec)
    return (
        epochs.shuffled_epochs(
            decoded.cache() if cached else images,
            source.num_images,
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
        .rebatch(size, drop_remainder=True)
        .prefetch(2)
        .with_options(epochs.options())
    )


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


def _examples(source: ImageSource, *keys: str) -> tf.data.Dataset:
    """Reads `encoded`, these keys, and `record`, the name for messages."""

    def select(example: Example) -> Example:
        if "record" not in example:
            number = tf.strings.as_string(example["index"])
            name = tf.strings.join(["image ", number, f" of {source.name}"])
            example = example | {"record": name}
        return {key: example[key] for key in ("encoded", "record", *keys)}

    return source.read().map(select)


def plain_images(
    source: ImageSource,
    image_format: views.ImageFormat,
    batch_size: int,
    warnings: decoding.SkipWarnings | None = None,
    input_config: InputConfig | None = None,
) -> tf.data.Dataset:
    """Returns one pass over a source without noise, in its order.

    Args:
        source: The images.
        image_format: The form of the images.
        batch_size: The number of images in a batch.
        warnings: Warns of images that cannot be decoded, whose weight is 0;
            None ends with an error at the first (see
            `decoding.input_errors`).
        input_config: How threads are used.

    Returns:
        A dataset of dicts of full batches: `image`, uint8 (batch_size, side,
        side, 3), `label`, int64 (batch_size,), and `weight`, float32
        (batch_size,): 1, and 0 for what pads the last batch.
    """
    view = views.plain_view(image_format)
    chunk = epochs.chunk_size(batch_size)
    threads = epochs.num_threads(input_config)

    def decode(batch: Example) -> Example:
        encoded, names = batch["encoded"], batch["record"]
        no_seeds = tf.zeros([tf.size(encoded), 2], tf.int64)
        images, decodable = decoding.decode_batch(encoded, no_seeds, view)
        if warnings is None:
            decoding.refuse_undecodable(names, decodable)
        else:
            warnings.watch(names, decodable)
        weight = tf.cast(decodable, tf.float32)
        return images | {"label": batch["label"], "weight": weight}

    return (
        _examples(source, "label")
        .batch(chunk)
        .map(decode, num_parallel_calls=threads)
        .rebatch(batch_size)
        .map(lambda batch: epochs.pad(batch, batch_size))
        .prefetch(2)
        .with_options(epochs.options())
    )

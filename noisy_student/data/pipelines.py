"""The input pipelines: training, evaluation and prediction.

Each reads top to bottom, one verb a line. `epochs.py` has what the training
pipelines share.
"""

import dataclasses
import os
import pathlib
from collections.abc import Collection
from typing import NamedTuple

import tensorflow as tf

from noisy_student.config import InputConfig
from noisy_student.data import decoding, epochs, record_files, records, views
from noisy_student.data.decoding import Example
from noisy_student.data.epochs import BatchSpec
from noisy_student.data.sources import ImageSource, nearly_equal
from noisy_student.errors import InputError


class PseudoLabeledRecords(NamedTuple):
    """Files of pseudo-labelled records.

    Attributes:
        paths: The files.
        num_records: The number of records in all of them.
        num_classes: The size of the probabilities.
    """

    paths: list[str]
    num_records: int
    num_classes: int


def training_batches(
    labeled: ImageSource,
    unlabeled: ImageSource | PseudoLabeledRecords | None,
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
        keys: What is kept of `labeled_images` and `unlabeled_images` or
            `pseudo_labeled_images`.
        sample_prob: See `labeled_images`.

    Raises:
        InputError: The batches lack a key, or a worker has no images.
    """
    dataset = labeled_images(labeled, spec, sample_prob)
    if unlabeled is not None:
        spec = dataclasses.replace(spec, batch_size=unlabeled_batch_size)
        others = (
            pseudo_labeled_images(*unlabeled, spec)
            if isinstance(unlabeled, PseudoLabeledRecords)
            else unlabeled_images(unlabeled, spec)
        )
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

    source = source.worker_part(spec.worker, spec.num_workers)
    without_teacher = dataclasses.replace(spec, teacher_side=None)
    return (
        epochs.noised_epochs(
            _examples(source, "label"),
            source.num_images,
            without_teacher,
            epochs.Stream.LABELED,
            check,
        )
        .enumerate(spec.first_batch)
        .map(add_weight)
    )


def unlabeled_images(source: ImageSource, spec: BatchSpec) -> tf.data.Dataset:
    """Returns endless batches of noised images for a teacher to label.

    An image that cannot be decoded is black, has weight 0 and is warned of.
    So every other image keeps its place in the order, which a run that
    resumes relies on.

    Args:
        source: The images of all workers; their labels are ignored.
        spec: What the batches are like.

    Returns:
        A dataset of dicts: `unlabeled_image`, uint8 (batch_size, side, side,
        3), with `second_view` also `unlabeled_second_image`, with
        `teacher_side` also `teacher_image`, uint8 (batch_size, teacher_side,
        teacher_side, 3), `unlabeled_row`, int64 (batch_size,), the place of
        an image among the worker's, and `unlabeled_weight`, float32
        (batch_size,), 0 or 1.

    Raises:
        InputError: The worker has no images.
    """
    source = source.worker_part(spec.worker, spec.num_workers)
    return _unlabeled_epochs(_examples(source), source.num_images, spec)


def pseudo_labeled_images(
    paths: list[str], num_records: int, num_classes: int, spec: BatchSpec
) -> tf.data.Dataset:
    """Returns endless batches of noised images with their pseudo labels.

    Args:
        paths: Files of pseudo-labelled records.
        num_records: The number of records in all of them.
        num_classes: The size of the probabilities.
        spec: What the batches are like.

    Returns:
        What `unlabeled_images` returns, and `unlabeled_label`, int64
        (batch_size,), and the teacher's `unlabeled_probabilities`, float32
        (batch_size, num_classes).

    Raises:
        InputError: The worker has no images.
    """
    paths, worker, count = sorted(paths), spec.worker, spec.num_workers
    dataset = records.read_pseudo_labeled(paths, num_classes)
    if count == 1:
        return _unlabeled_epochs(dataset, num_records, spec)
    # A worker reads only its own files if all workers' are equally large.
    sizes = [sum(map(os.path.getsize, paths[i::count])) for i in range(count)]
    if nearly_equal(sizes):
        paths = paths[worker::count]
        numbers = record_files.count([pathlib.Path(path) for path in paths])
        dataset = records.read_pseudo_labeled(paths, num_classes)
        return _unlabeled_epochs(dataset, sum(numbers), spec)
    number = len(range(worker, num_records, count))
    return _unlabeled_epochs(dataset.shard(count, worker), number, spec)


def _unlabeled_epochs(
    dataset: tf.data.Dataset, num_images: int, spec: BatchSpec
) -> tf.data.Dataset:
    warnings = decoding.SkipWarnings()
    spec = dataclasses.replace(spec, noise=spec.noise.of_unlabeled())

    def check(batch: Example, decodable: tf.Tensor) -> Example:
        warnings.watch(batch["record"], decodable)
        return batch | {"weight": tf.cast(decodable, tf.float32)}

    def rename(batch: Example) -> Example:
        teacher = {k: batch.pop(k) for k in ["teacher_image"] if k in batch}
        return {f"unlabeled_{k}": x for k, x in batch.items()} | teacher

    return epochs.noised_epochs(
        dataset, num_images, spec, epochs.Stream.UNLABELED, check
    ).map(rename)


def _examples(source: ImageSource, *keys: str) -> tf.data.Dataset:
    """Reads `encoded`, these keys, and `record`, the name for messages."""

    def select(example: Example) -> Example:
        name = {"record": source.describe(example["index"])}
        return {key: example[key] for key in ("encoded", *keys)} | name

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
    view, view_spec = views.plain_view(image_format)
    chunk = epochs.chunk_size(batch_size)

    def decode(batch: Example) -> Example:
        encoded, names = batch["encoded"], batch["record"]
        no_seeds = tf.zeros([tf.size(encoded), 2], tf.int64)
        images, decodable = decoding.decode_batch(
            encoded, no_seeds, view, view_spec
        )
        if warnings is None:
            decoding.refuse_undecodable(names, decodable)
        else:
            warnings.watch(names, decodable)
        weight = tf.cast(decodable, tf.float32)
        return images | {"label": batch["label"], "weight": weight}

    return (
        _examples(source, "label")
        .batch(chunk)
        .map(decode, num_parallel_calls=epochs.num_threads(input_config))
        .map(lambda batch: epochs.pad(batch, chunk))
        .batch(batch_size // chunk)
        .map(epochs.merge_chunks)
        .map(lambda batch: epochs.pad(batch, batch_size))
        .prefetch(2)
        .with_options(epochs.options())
    )

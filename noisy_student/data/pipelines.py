"""The input pipelines: training, evaluation and prediction.

Each reads top to bottom, one verb a line. What training's have in common is
in `noised.py`.
"""

import dataclasses
import os
import pathlib

import tensorflow as tf

from noisy_student.config import InputConfig
from noisy_student.data import (
    batching,
    decoding,
    noised,
    record_files,
    records,
    shuffling,
    sources,
    views,
)
from noisy_student.data.decoding import Example
from noisy_student.data.noised import NoisedBatches


def labeled_images(
    source: sources.ImageSource,
    batches: NoisedBatches,
    sample_prob: float = 1.0,
) -> tf.data.Dataset:
    """Endless batches of noised labelled images.

    An image that cannot be decoded ends the iteration with an error; see
    `decoding.input_errors`.

    Args:
        source: the images of all workers.
        batches: what they become.
        sample_prob: probability that an image's loss counts, in (0, 1].

    Returns:
        A dataset of dicts: `image`, uint8 (batch_size, side, side, 3),
        `label`, int64 (batch_size,), `row`, int64 (batch_size,), an image's
        place in the worker's part, `label_weight`, float32 (batch_size,), 0 or
        1, and with `second_view` also `second_image`, like `image`.
    """
    source = source.worker_part(batches.worker, batches.num_workers)
    batches = dataclasses.replace(batches, teacher_side=None)

    def check(batch: Example, decodable: tf.Tensor) -> Example:
        decoding.refuse_undecodable(batch["record"], decodable)
        return batch

    def weighted(number: tf.Tensor, batch: Example) -> Example:
        seed = shuffling.seed_at((batches.seed, ~batches.worker), number)
        draws = tf.random.stateless_uniform([batches.batch_size], seed)
        weight = tf.cast(draws < sample_prob, tf.float32)
        return batch | {"label_weight": weight}

    return (
        noised.noised_epochs(
            _examples(source),
            source.num_images,
            batches,
            noised.LABELED,
            check,
        )
        .enumerate(batches.first_batch)
        .map(weighted)
    )


def unlabeled_images(
    source: sources.ImageSource, batches: NoisedBatches
) -> tf.data.Dataset:
    """Endless batches of noised images, for a teacher that labels them.

    An image that cannot be decoded is black, has the weight 0 and is warned
    of. So every other image keeps its place in the order, which a run that
    resumes relies on.

    Args:
        source: the images of all workers; their labels are not looked at.
        batches: what they become.

    Returns:
        A dataset of dicts: `unlabeled_image`, uint8 (batch_size, side, side,
        3), with `second_view` also `unlabeled_second_image`, with
        `teacher_side` also `teacher_image`, uint8 (batch_size, teacher_side,
        teacher_side, 3), `unlabeled_row`, int64 (batch_size,), an image's
        place in the worker's part, and `unlabeled_weight`, float32
        (batch_size,), 0 or 1.
    """
    source = source.worker_part(batches.worker, batches.num_workers)
    dataset = _examples(source).map(
        lambda example: {key: example[key] for key in ("encoded", "record")}
    )
    return _unlabeled(dataset, source.num_images, batches)


def pseudo_labeled_images(
    paths: list[str],
    num_records: int,
    num_classes: int,
    batches: NoisedBatches,
) -> tf.data.Dataset:
    """Endless batches of noised images with their teacher's probabilities.

    Args:
        paths: files of pseudo-labelled records.
        num_records: how many records they hold.
        num_classes: size of the probabilities.
        batches: what they become.

    Returns:
        What `unlabeled_images` returns, and `unlabeled_label`, int64
        (batch_size,), and `unlabeled_probabilities`, float32 (batch_size,
        num_classes).
    """
    paths, worker, count = sorted(paths), batches.worker, batches.num_workers
    dataset = records.read_pseudo_labeled(paths, num_classes)
    if count == 1:
        return _unlabeled(dataset, num_records, batches)
    # A worker reads its own files alone, if these are as much as the others'.
    sizes = [sum(map(os.path.getsize, paths[i::count])) for i in range(count)]
    if sources.nearly_equal(sizes):
        paths = paths[worker::count]
        numbers = record_files.count([pathlib.Path(path) for path in paths])
        dataset = records.read_pseudo_labeled(paths, num_classes)
        return _unlabeled(dataset, sum(numbers), batches)
    number = len(range(worker, num_records, count))
    return _unlabeled(dataset.shard(count, worker), number, batches)


def _unlabeled(
    dataset: tf.data.Dataset, num_images: int, batches: NoisedBatches
) -> tf.data.Dataset:
    warnings = decoding.SkipWarnings()
    batches = dataclasses.replace(batches, noise=batches.noise.of_unlabeled())

    def check(batch: Example, decodable: tf.Tensor) -> Example:
        warnings.watch(batch["record"], decodable)
        return batch | {"weight": tf.cast(decodable, tf.float32)}

    def named(batch: Example) -> Example:
        teacher = {k: batch.pop(k) for k in ["teacher_image"] if k in batch}
        return {f"unlabeled_{k}": x for k, x in batch.items()} | teacher

    return noised.noised_epochs(
        dataset, num_images, batches, noised.UNLABELED, check
    ).map(named)


def plain_images(
    source: sources.ImageSource,
    image_format: views.ImageFormat,
    batch_size: int,
    warnings: decoding.SkipWarnings | None = None,
    input_config: InputConfig | None = None,
) -> tf.data.Dataset:
    """One pass over a source without noise, in its order.

    Args:
        source: the images.
        image_format: how they reach the model.
        batch_size: images of a batch.
        warnings: of images that cannot be decoded, whose weight is 0; None
            ends with an error at the first (see `decoding.input_errors`).
        input_config: how threads are used.

    Returns:
        A dataset of dicts of full batches: `image`, uint8 (batch_size, side,
        side, 3), `label`, int64 (batch_size,), and `weight`, float32
        (batch_size,): 1, and 0 for what pads the last batch.
    """
    view, spec = views.plain_view(image_format)
    threads = noised.num_threads(input_config or InputConfig())
    chunk = batching.chunk_size(batch_size)

    def decode(batch: Example) -> Example:
        encoded, names = batch["encoded"], batch["record"]
        no_seeds = tf.zeros([tf.size(encoded), 2], tf.int64)
        images, decodable = decoding.decode_batch(encoded, no_seeds, view, spec)
        if warnings is None:
            decoding.refuse_undecodable(names, decodable)
        else:
            warnings.watch(names, decodable)
        weight = tf.cast(decodable, tf.float32)
        return images | {"label": batch["label"], "weight": weight}

    return (
        _examples(source)
        .batch(chunk)
        .map(decode, num_parallel_calls=threads)
        .map(lambda batch: batching.pad(batch, chunk))
        .batch(batch_size // chunk)
        .map(batching.merge_chunks)
        .map(lambda batch: batching.pad(batch, batch_size))
        .prefetch(2)
        .with_options(noised.options())
    )


def _examples(source: sources.ImageSource) -> tf.data.Dataset:
    """`encoded`, `label` and `record`, the image's name in messages."""

    def named(example: Example) -> Example:
        return {
            "encoded": example["encoded"],
            "label": example["label"],
            "record": source.describe(example["index"]),
        }

    return source.read().map(named)

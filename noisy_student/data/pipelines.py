"""The input pipelines: training, evaluation and prediction.

Each reads top to bottom, one verb a line. A training pipeline is a function
of (seed, step): started at a later step it yields what it would have
yielded there, which is how a run resumes.

Small images (`Task.small_images`) are resized, cached decoded where they are
small then too, and cropped by padding; larger ones stay encoded and are
decoded where they are cropped.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from noisy_student.config import InputConfig, NoiseConfig
from noisy_student.data import (
    batching,
    decoding,
    records,
    shuffling,
    sources,
    views,
)
from noisy_student.data.decoding import Example

# From a chunk's number, int64 (), and the chunk.
Stage = Callable[[tf.Tensor, Example], Example]

_MAX_CACHED_SIDE = 64  # 12 KiB an image
# Each kind of images has an order and noise of its own.
_LABELED, _UNLABELED = 0, 1


@dataclasses.dataclass(frozen=True)
class NoisedBatches:
    """What training batches are like.

    Attributes:
        image_format: of the images.
        noise: their input noise.
        batch_size: images of this kind a step, over all replicas.
        seed: of order and noise.
        start_step: number of steps already taken.
        with_teacher: whether unlabelled batches have `teacher_image` too,
            the same images as evaluation sees them.
        input: how memory and threads are used.
    """

    image_format: views.ImageFormat
    noise: NoiseConfig
    batch_size: int
    seed: int
    start_step: int = 0
    with_teacher: bool = False
    input: InputConfig = dataclasses.field(default_factory=InputConfig)


def labeled_images(
    source: sources.ImageSource, batches: NoisedBatches
) -> tf.data.Dataset:
    """Endless batches of noised labelled images.

    An image that cannot be decoded ends the iteration with an error; see
    `decoding.input_errors`.

    Returns:
        A dataset of dicts: `image`, uint8 (batch_size, side, side, 3), and
        `label`, int64 (batch_size,).
    """
    dataset = _examples(source)
    batches = dataclasses.replace(batches, with_teacher=False)

    def check(batch: Example, decodable: tf.Tensor) -> Example:
        decoding.refuse_undecodable(batch["record"], decodable)
        return batch

    return _noised(dataset, source.num_images, batches, _LABELED, check)


def pseudo_labeled_images(
    paths: list[str],
    num_records: int,
    num_classes: int,
    batches: NoisedBatches,
) -> tf.data.Dataset:
    """Endless batches of noised images with their teacher's probabilities.

    An image that cannot be decoded is black, has the weight 0 and is warned
    of. So every other image keeps its place in the order, which a run that
    resumes relies on.

    Args:
        paths: files of pseudo-labelled records.
        num_records: how many records they hold.
        num_classes: size of the probabilities.
        batches: what they are like.

    Returns:
        A dataset of dicts: `unlabeled_image` and, if asked for,
        `teacher_image`, uint8 (batch_size, side, side, 3),
        `unlabeled_label`, int64 (batch_size,), `unlabeled_probabilities`,
        float32 (batch_size, num_classes), and `unlabeled_weight`, float32
        (batch_size,), 0 or 1.
    """
    dataset = records.read_pseudo_labeled(sorted(paths), num_classes)
    warnings = decoding.SkipWarnings()
    batches = dataclasses.replace(batches, noise=batches.noise.of_unlabeled())

    def check(batch: Example, decodable: tf.Tensor) -> Example:
        warnings.watch(batch["record"], decodable)
        return batch | {"weight": tf.cast(decodable, tf.float32)}

    def named(batch: Example) -> Example:
        teacher = {k: batch.pop(k) for k in ["teacher_image"] if k in batch}
        return {f"unlabeled_{k}": x for k, x in batch.items()} | teacher

    noised = _noised(dataset, num_records, batches, _UNLABELED, check)
    return noised.map(named)


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
    view, spec = views.plain_view(image_format), image_format.spec("image")
    threads = _threads(input_config or InputConfig())
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
        .with_options(_options())
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


def _noised(
    dataset: tf.data.Dataset,
    num_images: int,
    batches: NoisedBatches,
    stream: int,
    check: Callable[[Example, tf.Tensor], Example],
) -> tf.data.Dataset:
    """Shuffles, repeats, decodes, noises and batches `encoded` images.

    `check` says what to do where images could not be decoded.
    """
    size, seed = batches.batch_size, (batches.seed, stream)
    chunk, first = batching.chunk_size(size), batches.start_step * size
    decode, augment = _stages(batches, seed, check)
    threads = _threads(batches.input)

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
        .with_options(_options())
    )


def _stages(
    batches: NoisedBatches,
    seed: tuple[int, int],
    check: Callable[[Example, tf.Tensor], Example],
) -> tuple[Stage, Stage]:
    """Two functions of a chunk's number and the chunk: decode and augment."""
    image_format, clean = batches.image_format, batches.noise.remove_aug
    keys = ["image"]
    if image_format.small or clean:
        view = views.plain_view(image_format)
    else:
        view = views.random_view(image_format, batches.with_teacher)
        keys += ["teacher_image"] * batches.with_teacher
    spec = image_format.spec(*keys)
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
        if batches.with_teacher and image_format.small:
            chunk = chunk | {"teacher_image": chunk["image"]}
        if clean:
            return chunk
        # Negative: other seeds than the views'.
        image = noise(chunk["image"], shuffling.seed_at(seed, -1 - number))
        return chunk | {"image": image}

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


def _threads(config: InputConfig) -> int:
    return config.num_parallel_calls or tf.data.AUTOTUNE


def _options() -> tf.data.Options:
    """Without the thread that tunes a pipeline while it runs.

    An iterator's end waits for that thread, which sleeps up to a minute.
    Without it, parallelism is what the machine has from the start.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return options

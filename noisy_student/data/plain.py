"""The input pipelines of evaluation and prediction, in the images' order.

Images have no noise, but for those of a teacher that is to be noised.
"""

from collections.abc import Callable

import tensorflow as tf

from noisy_student.config import InputConfig
from noisy_student.data import batching, decoding, views
from noisy_student.data.decoding import Example
from noisy_student.data.sources import ImageSource

NO_ROW = -1  # the place of what is no image


def plain_images(
    source: ImageSource,
    image_format: views.ImageFormat,
    batch_size: int,
    warnings: decoding.SkipWarnings | None = None,
    input_config: InputConfig | None = None,
    context: tf.distribute.InputContext | None = None,
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
        context: The worker that asks, for every so many-th image from its
            own on; None asks for all.

    Returns:
        A dataset of dicts of full batches: `image`, uint8 (batch_size, side,
        side, 3), `label`, int64 (batch_size,), `row`, int64 (batch_size,),
        the place of an image in the source, `NO_ROW` for what pads the last
        batch, and `weight`, float32 (batch_size,): 1, and 0 for padding.
    """
    view = views.plain_view(image_format)
    if source.exif:
        view = views.upright(view)
    threads = batching.num_threads(input_config)

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

    return _one_pass(
        source,
        batch_size,
        batching.chunk_size(batch_size),
        lambda chunks: chunks.map(decode, num_parallel_calls=threads),
        context,
    )


def noised_images(
    source: ImageSource,
    spec: views.BatchSpec,
    batch_size: int,
    seed: int,
    warnings: decoding.SkipWarnings,
    context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Returns one pass as `plain_images` does, but under noise.

    An image's noise is a function of the seed and its place in the source,
    whatever the batch and the replica.

    Args:
        source: See `plain_images`.
        spec: The form of the images, their noise and how it is made, which is
            on the host. Its `batch_size` is the number of images noised at a
            time.
        batch_size: See `plain_images`.
        seed: Of the noise, at least 0.
        warnings: See `plain_images`.
        context: See `plain_images`.
    """
    worker = context.input_pipeline_id if context else 0

    def check(batch: Example, decodable: tf.Tensor) -> Example:
        warnings.watch(batch["record"], decodable)
        return batch | {"weight": tf.cast(decodable, tf.float32)}

    decode, augment = views.chunk_maps(spec, (seed, worker), check, source.exif)

    def noise(number: tf.Tensor, chunk: Example) -> Example:
        size = tf.size(chunk["label"])
        # XLA compiles for one size.
        whole = batching.pad(decode(number, chunk), spec.batch_size)
        return {k: x[:size] for k, x in augment(number, whole).items()}

    threads = batching.num_threads(spec.input)
    return _one_pass(
        source,
        batch_size,
        spec.batch_size,
        lambda chunks: chunks.enumerate().map(noise, threads),
        context,
    )


def _one_pass(
    source: ImageSource,
    batch_size: int,
    chunk_size: int,
    look: Callable[[tf.data.Dataset], tf.data.Dataset],
    context: tf.distribute.InputContext | None,
) -> tf.data.Dataset:
    """Returns a worker's images in order, in full batches.

    `look` makes chunks of `image`, `label` and `weight` of chunks of
    `encoded`, `label` and `record`.
    """
    context = context or tf.distribute.InputContext()
    worker, workers = context.input_pipeline_id, context.num_input_pipelines
    part = source.stride(worker, workers)  # parts of one size

    def number_rows(batch_number: tf.Tensor, batch: Example) -> Example:
        size = tf.size(batch["label"], tf.int64)
        places = batch_number * batch_size + tf.range(size)
        # Padding is 0.
        rows = places * workers + worker - NO_ROW
        padded = batching.pad(batch | {"row": rows}, batch_size)
        return padded | {"row": padded["row"] + NO_ROW}

    chunks = (
        part.read()
        .batch(chunk_size)
        .map(lambda examples: batching.select(source, examples, ["label"]))
    )
    return (
        look(chunks)
        .rebatch(batch_size)
        .enumerate()
        .map(number_rows)
        .prefetch(2)
        .with_options(batching.options())
    )

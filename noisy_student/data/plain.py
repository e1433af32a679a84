"""The input pipeline of evaluation and prediction: images without noise."""

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

    view = views.plain_view(image_format)
    if source.exif:
        view = views.upright(view)
    chunk = batching.chunk_size(batch_size)
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

    return (
        part.read()
        .batch(chunk)
        .map(lambda examples: batching.select(source, examples, ["label"]))
        .map(decode, num_parallel_calls=threads)
        .rebatch(batch_size)
        .enumerate()
        .map(number_rows)
        .prefetch(2)
        .with_options(batching.options())
    )

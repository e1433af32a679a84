"""The noise of training images, on the host or in the training step.

Images are noised a chunk at a time, all with one seed. Where that is left to
the step, each image travels with the seed of its chunk, and the results are the
same.
"""

import functools
from collections.abc import Callable

import tensorflow as tf

from noisy_student import noise
from noisy_student.config import NoiseConfig
from noisy_student.data import batching
from noisy_student.data.decoding import Example
from noisy_student.data.image_format import ImageFormat

# Of images, uint8 (batch, side, side, 3), and their `view_seeds`.
Noise = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

VIEWS = ("image", "second_image")
# The key of the seeds of images that are to be noised, int64 (batch, 2).
SEED = "noise_seed"
_FULL_SIDE = 224  # of the images that RandAugment's sizes are made for


def on_host(add_noise: Noise, chunk: Example, seed: tf.Tensor) -> Example:
    """Returns the `VIEWS` of a chunk, each with noise of its own.

    Args:
        add_noise: The noise.
        chunk: Has some of the views.
        seed: The chunk's, int64 (2,).
    """
    return {
        key: add_noise(chunk[key], view_seeds(seed, view))
        for view, key in enumerate(VIEWS)
        if key in chunk
    }


def view_seeds(seed: tf.Tensor, view: int = 0) -> tf.Tensor:
    """Returns the seeds of one view's noise, int64 (4, 2).

    Args:
        seed: The chunk's, int64 (2,).
        view: Which of the `VIEWS`.
    """
    if view:
        seed = tf.random.experimental.stateless_fold_in(seed, view, "philox")
    seeds = tf.random.experimental.stateless_split(seed, 4, "philox")
    return tf.cast(seeds, tf.int64)  # the second view's are int32


def seeds_of(chunk: Example, seed: tf.Tensor) -> Example:
    """Returns what `in_step` needs to noise a chunk with a seed later."""
    count = tf.shape(chunk["image"])[0]
    return {SEED: tf.tile(seed[tf.newaxis], [count, 1])}


def in_step(
    image_format: ImageFormat, config: NoiseConfig
) -> Callable[[Example], Example]:
    """Returns what adds the noise of a batch in the training step.

    Args:
        image_format: The form of the images.
        config: The augmentation.

    Returns:
        A function of one replica's batch of `pipelines.training_batches` with
        `noise_form` device. It returns what the batch would be otherwise.
    """
    noises = {
        "": batch_noise(image_format, config, "device"),
        "unlabeled_": batch_noise(
            image_format, config.of_unlabeled(), "device"
        ),
    }

    def prepare(batch: Example) -> Example:
        prepared = dict(batch)
        for prefix, add_noise in noises.items():
            seeds = prepared.pop(prefix + SEED, None)
            keys = [prefix + key for key in VIEWS if prefix + key in batch]
            if seeds is not None:  # else these images have no noise
                views = tf.stack([batch[key] for key in keys])
                noised = tf.unstack(_by_chunk(add_noise, views, seeds))
                prepared |= zip(keys, noised, strict=True)
        return prepared

    return prepare


def _by_chunk(
    add_noise: Noise, views: tf.Tensor, seeds: tf.Tensor
) -> tf.Tensor:
    """Noises a batch in the chunks in which it was made.

    Args:
        add_noise: The noise.
        views: The `VIEWS`, uint8 (views, batch, side, side, 3).
        seeds: int64 (batch, 2).

    Returns:
        The noised views.
    """
    count, size, *form = views.shape
    chunk = batching.chunk_size(size)
    number = size // chunk
    chunks = tf.reshape(views, [count * number, chunk, *form])
    drawn = [
        tf.map_fn(
            functools.partial(view_seeds, view=view),
            seeds[::chunk],
            fn_output_signature=tf.TensorSpec([4, 2], tf.int64),
        )
        for view in range(count)
    ]
    # One loop, so that XLA compiles the noise once.
    noised = tf.map_fn(
        lambda inputs: add_noise(*inputs),
        (chunks, tf.concat(drawn, axis=0)),
        fn_output_signature=tf.TensorSpec([chunk, *form], tf.uint8),
    )
    return tf.reshape(noised, views.shape)


@functools.cache  # XLA compiles what is the same only once
def batch_noise(
    image_format: ImageFormat, config: NoiseConfig, form: str = "compiled"
) -> Noise:
    """Returns the noise of a batch of views.

    Args:
        image_format: The form of the images.
        config: The augmentation.
        form: One of `noise.FORMS`.

    Returns:
        A function of images, uint8 (batch, side, side, 3), and `view_seeds`,
        that returns images of the same form.
    """
    side, small = image_format.side, image_format.small
    augment = _augmentation(image_format, config, form)

    def apply(images: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
        flip = image_format.horizontal_flip
        if flip and not small:
            images = noise.random_flip(images, seeds[3])
        if augment is not None:
            images = augment(images, seeds[0])
            if small:
                images = noise.random_cutout(images, seeds[1], side // 2)
        if small:
            images = noise.random_pad_crop(images, seeds[2], side // 8)
        if flip and small:
            images = noise.random_flip(images, seeds[3])
        return images

    # XLA cannot compile keras-cv's.
    if form == "uncompiled" or config.augment_name == "keras_cv":
        return apply
    return tf.function(apply, jit_compile=True, autograph=False)


def _augmentation(
    image_format: ImageFormat, config: NoiseConfig, form: str
) -> Noise | None:
    """Returns the function that `augment_name` names, or None."""
    if config.augment_name == "none":
        return None
    if config.augment_name == "keras_cv":
        return noise.keras_cv_rand_augment(
            config.randaug_layer, config.randaug_mag
        )
    layer = rand_augment(image_format, config, form)
    return lambda images, seed: layer(images, seed=seed)


def rand_augment(
    image_format: ImageFormat, config: NoiseConfig, form: str = "compiled"
) -> noise.RandAugment:
    """Returns the layer of `augment_name=v1`.

    Small images are shifted by up to an eighth of their side at magnitude 10,
    and the side of Cutout's square is a quarter of theirs. With
    `randaug_scale_with_side`, the sizes of others below 224 pixels are the same
    share of the side as there.
    """
    build = functools.partial(
        noise.RandAugment,
        num_layers=config.randaug_layer,
        magnitude=config.randaug_mag,
        use_cutout=config.cutout_op,
        form=form,
    )
    if image_format.small:
        eighth = image_format.side / 8
        return build(translate_limit=eighth, cutout_limit=eighth)
    scale = 1.0
    if config.randaug_scale_with_side:
        scale = min(1.0, image_format.side / _FULL_SIDE)
    return build(
        translate_limit=scale * noise.TRANSLATE_LIMIT,
        cutout_limit=scale * noise.CUTOUT_LIMIT,
    )

"""The input pipelines: training, evaluation and prediction.

Each reads top to bottom, one verb a line. A training pipeline is a function
of (seed, step): started at a later step it yields what it would have
yielded there, which is how a run resumes.

Small images (`Task.small_images`) are resized, cached decoded where they are
small then too, and cropped by padding; larger ones stay encoded and are
decoded where they are cropped.
"""

import dataclasses

import tensorflow as tf

from noisy_student import noise, tasks
from noisy_student.config import NoiseConfig
from noisy_student.data import records, shuffling, sources

Example = dict[str, tf.Tensor]

_MAX_CACHED_SIDE = 64  # 12 KiB an image
# Each kind of images has an order and noise of its own.
_LABELED, _UNLABELED = 0, 1


@dataclasses.dataclass(frozen=True)
class ImageFormat:
    """How a task's images reach the model.

    Attributes:
        side: in pixels.
        small: the treatment of small images, see above.
        horizontal_flip: whether training images are mirrored at random.
    """

    side: int
    small: bool
    horizontal_flip: bool

    @classmethod
    def of(
        cls, task: tasks.Task, side: int, noise_config: NoiseConfig
    ) -> "ImageFormat":
        """The format of a task at a resolution."""
        flip = noise_config.horizontal_flip
        return cls(
            side=side,
            small=task.small_images,
            horizontal_flip=task.horizontal_flip if flip is None else flip,
        )


@dataclasses.dataclass(frozen=True)
class NoisedBatches:
    """What training batches are like.

    Attributes:
        image_format: of the images.
        noise: their input noise.
        batch_size: images of this kind a step, over all replicas.
        seed: of order and noise.
        start_step: number of steps already taken.
    """

    image_format: ImageFormat
    noise: NoiseConfig
    batch_size: int
    seed: int
    start_step: int = 0


def labeled_images(
    source: sources.ImageSource, batches: NoisedBatches
) -> tf.data.Dataset:
    """Endless batches of noised labelled images.

    Returns:
        A dataset of dicts: `image`, uint8 (batch_size, side, side, 3), and
        `label`, int64 (batch_size,).
    """
    dataset = source.read().map(
        lambda x: {"encoded": x["encoded"], "label": x["label"]}
    )
    return _noised(dataset, source.num_images, batches, _LABELED)


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
        batches: what they are like.

    Returns:
        A dataset of dicts: `unlabeled_image`, uint8 (batch_size, side, side,
        3), `unlabeled_label`, int64 (batch_size,), and
        `unlabeled_probabilities`, float32 (batch_size, num_classes).
    """
    dataset = tf.data.TFRecordDataset(sorted(paths)).map(
        lambda record: records.parse_pseudo_labeled(record, num_classes)
    )
    return _noised(dataset, num_records, batches, _UNLABELED).map(
        lambda batch: {f"unlabeled_{key}": batch[key] for key in batch}
    )


def plain_images(
    source: sources.ImageSource, image_format: ImageFormat, batch_size: int
) -> tf.data.Dataset:
    """One pass over a source without noise, in its order.

    Returns:
        A dataset of dicts of full batches: `image`, uint8 (batch_size, side,
        side, 3), `label`, int64 (batch_size,), and `weight`, float32
        (batch_size,): 1, and 0 for what pads the last batch.
    """

    def view(example: Example) -> Example:
        encoded = example["encoded"]
        return {
            "image": _resized(encoded, image_format.side)
            if image_format.small
            else noise.central_crop(encoded, image_format.side),
            "label": example["label"],
            "weight": tf.constant(1.0),
        }

    return (
        source.read()
        .map(view, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(batch_size)
        .map(lambda batch: _pad_batch(batch, batch_size))
        .prefetch(tf.data.AUTOTUNE)
        .with_options(_options())
    )


def _noised(
    dataset: tf.data.Dataset,
    num_images: int,
    batches: NoisedBatches,
    stream: int,
) -> tf.data.Dataset:
    """Shuffles, repeats, batches and noises `encoded` images."""
    image_format, size = batches.image_format, batches.batch_size
    seed, first = (batches.seed, stream), batches.start_step * size
    view, augment = _noise(image_format, batches.noise)

    def viewed(images: tf.data.Dataset, start: int) -> tf.data.Dataset:
        return images.enumerate(start).map(
            lambda i, x: _apply(view, x, "encoded", seed, i),
            num_parallel_calls=tf.data.AUTOTUNE,
        )

    # Decoded images are small enough to keep, and always the same.
    cached = image_format.small and image_format.side <= _MAX_CACHED_SIDE
    if cached:
        dataset = viewed(dataset, 0).cache()
    dataset = shuffling.shuffled_epochs(dataset, num_images, seed, first)
    if not cached:
        dataset = viewed(dataset, first)
    return (
        dataset.batch(size, drop_remainder=True)
        .enumerate(batches.start_step)
        .map(
            # Negative: other seeds than the views', which count images.
            lambda i, x: _apply(augment, x, "image", seed, -1 - i),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
        .prefetch(tf.data.AUTOTUNE)
        .with_options(_options())
    )


def _options() -> tf.data.Options:
    """Without the thread that tunes a pipeline while it runs.

    An iterator's end waits for that thread, which sleeps up to a minute.
    Without it, parallelism is what the machine has from the start.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return options


def _noise(image_format: ImageFormat, config: NoiseConfig):
    """The view of one encoded image, and the noise of a batch of views."""
    side = image_format.side

    def view(encoded: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        if image_format.small:
            return _resized(encoded, side)
        return noise.random_area_crop(encoded, side, seed)

    rand_augment = noise.RandAugment(
        num_layers=config.randaug_layer,
        magnitude=config.randaug_mag,
        use_cutout=config.cutout_op,
        **(
            {"translate_limit": side / 8, "cutout_limit": side / 8}
            if image_format.small
            else {}
        ),
    )

    def augment(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        seeds = tf.random.experimental.stateless_split(seed, 4)
        if config.augment_name == "v1":
            images = rand_augment(images, seeds[0])
            if image_format.small:
                images = noise.random_cutout(images, seeds[1], side // 2)
        if image_format.small:
            images = noise.random_pad_crop(images, seeds[2], side // 8)
        if image_format.horizontal_flip:
            images = noise.random_flip(images, seeds[3])
        return images

    return view, augment


def _resized(encoded: tf.Tensor, side: int) -> tf.Tensor:
    """Decodes and, where the size differs, resizes; uint8 (side, side, 3)."""
    image = noise.decode(encoded)
    image = tf.image.resize(image, [side, side], "bicubic")
    image = tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8)
    return tf.ensure_shape(image, [side, side, 3])


def _apply(
    function, example: Example, key: str, seed: tuple[int, int], number
) -> Example:
    """Replaces `key` by `image`: what `function` makes of it and a seed."""
    rest = {name: example[name] for name in example if name != key}
    image = function(example[key], shuffling.seed_at(seed, number))
    return {"image": image} | rest


def _pad_batch(batch: Example, batch_size: int) -> Example:
    """Fills a batch up with zeros, whose `weight` is 0 too."""

    def pad(tensor: tf.Tensor) -> tf.Tensor:
        missing = batch_size - tf.shape(tensor)[0]
        paddings = [[0, missing]] + [[0, 0]] * (tensor.shape.rank - 1)
        return tf.ensure_shape(
            tf.pad(tensor, paddings), [batch_size, *tensor.shape[1:]]
        )

    return {key: pad(tensor) for key, tensor in batch.items()}

"""What the model sees of an image: decoded, cut to size and noised.

Small images (`Task.small_images`) are resized, and cropped by padding after
their noise; larger ones are decoded where they are cropped.
"""

import dataclasses
import functools
from collections.abc import Callable

import tensorflow as tf

from noisy_student import noise, tasks
from noisy_student.config import NoiseConfig
from noisy_student.data.decoding import Example, Spec, View

# Of images, uint8 (batch, side, side, 3), and a seed, int64 (2,).
Noise = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class ImageFormat:
    """The form of a task's images.

    Attributes:
        side: The side in pixels.
        small: Whether images are treated as small ones.
        horizontal_flip: Whether training images are mirrored at random.
    """

    side: int
    small: bool
    horizontal_flip: bool

    @classmethod
    def for_task(
        cls, task: tasks.Task, side: int, noise_config: NoiseConfig
    ) -> "ImageFormat":
        """Returns the format of a task's images at a resolution.

        Args:
            task: The task.
            side: The side in pixels.
            noise_config: Its `horizontal_flip` overrides the task's.
        """
        flip = noise_config.horizontal_flip
        return cls(
            side=side,
            small=task.small_images,
            horizontal_flip=task.horizontal_flip if flip is None else flip,
        )


def plain_view(
    image_format: ImageFormat, teacher_side: int | None = None
) -> tuple[View, Spec]:
    """Returns what evaluation, prediction and the teacher see, as `image`.

    Args:
        image_format: The form of `image`.
        teacher_side: The side of an additional `teacher_image`, or None.

    Returns:
        The function of an encoded image, and the form of its results.
    """
    sides = _sides(image_format, teacher_side)

    def view(encoded: tf.Tensor, seed: tf.Tensor) -> Example:
        del seed
        if not image_format.small:
            return {k: noise.central_crop(encoded, s) for k, s in sides.items()}
        image = noise.decode(encoded)
        return {k: noise.resize(image, s) for k, s in sides.items()}

    return view, _spec(sides)


def random_view(
    image_format: ImageFormat,
    teacher_side: int | None = None,
    second_view: bool = False,
) -> tuple[View, Spec]:
    """Returns a random crop of a large image, as `image`.

    Args:
        image_format: The form of `image`.
        teacher_side: The side of an additional `teacher_image`, decoded in
            the same go, or None.
        second_view: Whether there is another random crop, `second_image`.

    Returns:
        The function of an encoded image, and the form of its results.
    """
    side = image_format.side

    def view(encoded: tf.Tensor, seed: tf.Tensor) -> Example:
        if teacher_side is None:
            crops = {"image": noise.random_area_crop(encoded, side, seed)}
        else:
            image, teacher_image = noise.random_and_central_crop(
                encoded, side, teacher_side, seed
            )
            crops = {"image": image, "teacher_image": teacher_image}
        if second_view:
            other = tf.random.experimental.stateless_fold_in(seed, 1)
            second = noise.random_area_crop(encoded, side, other)
            crops["second_image"] = second
        return crops

    sides = _sides(image_format, teacher_side)
    return view, _spec(sides | {"second_image": side} if second_view else sides)


def _sides(
    image_format: ImageFormat, teacher_side: int | None
) -> dict[str, int]:
    sides = {"image": image_format.side}
    return sides | ({"teacher_image": teacher_side} if teacher_side else {})


def _spec(sides: dict[str, int]) -> Spec:
    return {k: tf.TensorSpec([s, s, 3], tf.uint8) for k, s in sides.items()}


def batch_noise(image_format: ImageFormat, config: NoiseConfig) -> Noise:
    """Returns the noise of a batch of views.

    Args:
        image_format: The form of the images.
        config: The augmentation.

    Returns:
        A function of images, uint8 (batch, side, side, 3), and a seed, int64
        (2,), that returns images of the same form.
    """
    side, small = image_format.side, image_format.small
    augment = _augmentation(image_format, config)

    def apply(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        seeds = tf.random.experimental.stateless_split(seed, 4)
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

    return apply


def _augmentation(
    image_format: ImageFormat, config: NoiseConfig
) -> Noise | None:
    """Returns the function that `augment_name` names, or None."""
    if config.augment_name == "none":
        return None
    if config.augment_name == "keras_cv":
        return noise.keras_cv_rand_augment(
            config.randaug_layer, config.randaug_mag
        )
    layer = rand_augment(image_format, config)
    return lambda images, seed: layer(images, seed=seed)


def rand_augment(
    image_format: ImageFormat, config: NoiseConfig
) -> noise.RandAugment:
    """Returns the layer of `augment_name=v1`.

    Small images are shifted by up to an eighth of their side at magnitude 10,
    and the side of Cutout's square is a quarter of theirs.
    """
    build = functools.partial(
        noise.RandAugment,
        num_layers=config.randaug_layer,
        magnitude=config.randaug_mag,
        use_cutout=config.cutout_op,
    )
    if not image_format.small:
        return build()
    eighth = image_format.side / 8
    return build(translate_limit=eighth, cutout_limit=eighth)

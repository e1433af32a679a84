"""How a task's images reach the model: decoded, cut to size and noised."""

import dataclasses
import functools
from collections.abc import Callable

import tensorflow as tf

from noisy_student import noise, tasks
from noisy_student.config import NoiseConfig
from noisy_student.data.decoding import Example, Spec, View


@dataclasses.dataclass(frozen=True)
class ImageFormat:
    """The form of a task's images.

    Attributes:
        side: in pixels.
        small: the treatment of small images, see `pipelines`.
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


def plain_view(
    image_format: ImageFormat, teacher_side: int | None = None
) -> tuple[View, Spec]:
    """What evaluation, prediction and the teacher see, as `image`.

    Args:
        image_format: of the images.
        teacher_side: with it also `teacher_image`, of this side.

    Returns:
        The function of an encoded image, and the form of its results.
    """

    def view(encoded: tf.Tensor, seed: tf.Tensor) -> Example:
        if not image_format.small:
            return {
                key: noise.central_crop(encoded, side)
                for key, side in sides.items()
            }
        image = noise.decode(encoded)
        return {key: noise.resize(image, side) for key, side in sides.items()}

    sides = _sides(image_format, teacher_side)
    return view, _spec(sides)


def random_view(
    image_format: ImageFormat,
    teacher_side: int | None = None,
    second_view: bool = False,
) -> tuple[View, Spec]:
    """A large image's random crop, as `image`.

    Args:
        image_format: of the images.
        teacher_side: with it also what a teacher sees, as `teacher_image`
            of this side, from one decoding.
        second_view: with another random crop, as `second_image`.

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
    if teacher_side is not None:
        sides["teacher_image"] = teacher_side
    return sides


def _spec(sides: dict[str, int]) -> Spec:
    return {
        key: tf.TensorSpec([side, side, 3], tf.uint8)
        for key, side in sides.items()
    }


def batch_noise(
    image_format: ImageFormat, config: NoiseConfig
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """The noise of a batch of views.

    Returns:
        A function of images, uint8 (batch, side, side, 3), and a seed, int64
        (2,), that returns images.
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
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None:
    """The function of images and seed that `augment_name` names, or None."""
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
    """The layer of `augment_name=v1`.

    Small images are shifted by up to an eighth of their side at magnitude 10,
    and Cutout's square has a quarter of it.
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

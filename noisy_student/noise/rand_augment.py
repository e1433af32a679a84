"""RandAugment as a Keras layer (Cubuk et al., arXiv 1909.13719).

Besides ours there is keras-cv's, for comparison.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from noisy_student.noise import programs
from noisy_student.noise.policy import (
    CUTOUT_LIMIT,
    TRANSLATE_LIMIT,
    Policy,
)

# What keras-cv passes with the images and geometry would have to move too.
_SPATIAL_LABELS = ("bounding_boxes", "segmentation_masks", "keypoints")
_FULL_MAGNITUDE = 30  # keras-cv counts from 0 to 1


@keras.saving.register_keras_serializable("noisy_student")
class RandAugment(keras.layers.Layer):
    """Applies `num_layers` random operations to each image, in sequence.

    Each operation is drawn uniformly, with replacement, from the sixteen of
    `OP_NAMES`, for each image independently. All operations share one
    magnitude, and most are stronger the larger it is. Posterize and Solarize
    are weaker, and from magnitude 20 and 10 on, respectively, leave the image
    as it is: the number of bits and the threshold are then clamped to 8 and
    256. (Larger values would wrap in 8 bits to others than were asked for.)
    At magnitude 5 the factors of Color, Contrast, Brightness and Sharpness
    are 1, which changes nothing.

    The layer composes with keras-cv: it takes and returns its dicts too, and
    changes only their `images`. XLA compiles it once per shape, which takes
    seconds, so apply it to images of one size.

    Args:
      num_layers: The number of operations per image, at least 0.
      magnitude: The strength in [0, 30]; 10 is each operation's full range.
      translate_limit: The shift at magnitude 10, in pixels. For small images,
        use an eighth of the side.
      cutout_limit: Half the side of the cut-out square at magnitude 10, in
        pixels. For small images, use an eighth of the side.
      use_cutout: False leaves out Cutout.
      seed: The seed of calls without a seed; None is random.
      form: Which of three programs with the same results does it: `compiled`,
        the fastest on a CPU; `uncompiled`, for the hosts of TPUs, where XLA
        does not compile; or `device`, the fastest on a GPU or TPU.
      **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
      ValueError: An argument is out of its range.
    """

    def __init__(
        self,
        num_layers: int = 2,
        magnitude: float = 27,
        translate_limit: float = TRANSLATE_LIMIT,
        cutout_limit: float = CUTOUT_LIMIT,
        use_cutout: bool = True,
        seed: int | None = None,
        form: str = "compiled",
        **kwargs: Any,
    ) -> None:
        # Without autocast: a half-precision policy would round the values.
        super().__init__(autocast=False, **kwargs)
        self.policy = Policy(
            num_layers, magnitude, translate_limit, cutout_limit, use_cutout
        )
        if form not in programs.FORMS:
            raise ValueError(
                f"form must be one of {', '.join(programs.FORMS)}, got {form!r}"
            )
        self.seed = seed
        self.form = form
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(
        self,
        inputs: tf.Tensor | dict[str, Any],
        seed: tf.Tensor | None = None,
        training: bool = True,
    ) -> tf.Tensor | dict[str, Any]:
        """Returns the images with noise, in their shape and dtype.

        With a seed the call is a pure function: the same images and seed give
        the same result eagerly, in a `tf.data` map with any number of
        threads, and in a compiled step. With one seed per image, the result
        does not depend on the rest of the batch either, so it is the same on
        any number of replicas. Without a seed each call draws from the
        layer's own generator, in the order in which calls happen to run, and
        each replica draws its own.

        Args:
          inputs: RGB images, (batch, height, width, 3) or (height, width, 3),
            uint8 or floating point in [0, 255], or a dict with such `images`.
            Fractions are rounded.
          seed: int32 or int64 (2,), or (batch, 2) for one seed per image.
          training: False returns the inputs as they are.

        Returns:
          The images, or the dict with other `images`.

        Raises:
          ValueError: The images have another rank, number of channels or
            dtype, or the seed another shape or dtype; the dict has no
            `images`, or labels with places in the image.
          tf.errors.InvalidArgumentError: Values are outside of [0, 255], or
            there are not as many seeds as images. (Not noticed in a step that
            XLA compiles as a whole.)
        """
        if isinstance(inputs, dict):
            _check_dict(inputs)
            images = self.call(inputs["images"], seed, training)
            return {**inputs, "images": images}
        if not training:
            return inputs
        images = tf.convert_to_tensor(inputs)
        _check_images(images.shape, images.dtype)
        if images.shape.rank == 4 and images.shape[0] == 0:
            return inputs
        seed = _to_int64(self._own_seed() if seed is None else seed)
        batched = images.shape.rank == 4
        batch = images if batched else images[tf.newaxis]
        seeds = _seeds_of_images(seed, batched, tf.shape(batch)[0])
        noised = programs.augment(
            self.policy, _to_uint8(batch), seeds, self.form
        )
        noised = tf.cast(noised, images.dtype)
        return tf.ensure_shape(noised if batched else noised[0], images.shape)

    def _own_seed(self) -> tf.Tensor:
        """Returns the generator's next seed, another on each replica."""
        seed = _to_int64(self.seed_generator.next())
        replica = tf.distribute.get_replica_context()
        if replica is None:  # in tf.data under a strategy
            return seed
        return tf.random.experimental.stateless_fold_in(
            seed, replica.replica_id_in_sync_group, alg="philox"
        )

    def compute_output_spec(
        self, inputs: Any, seed: Any = None, training: bool = True
    ) -> Any:
        """Returns the shapes and dtypes of the inputs, checked as in `call`."""
        if isinstance(inputs, dict):
            _check_dict(inputs)
        images = inputs["images"] if isinstance(inputs, dict) else inputs
        _check_images(tf.TensorShape(images.shape), tf.as_dtype(images.dtype))
        return keras.tree.map_structure(
            lambda x: keras.KerasTensor(x.shape, x.dtype), inputs
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        policy = dataclasses.asdict(self.policy)
        own = {"seed": self.seed, "form": self.form}
        return super().get_config() | policy | own


def _check_dict(inputs: dict[str, Any]) -> None:
    if "images" not in inputs:
        raise ValueError(
            f"the dict must have images, got {', '.join(map(str, inputs))}"
        )
    found = [key for key in _SPATIAL_LABELS if inputs.get(key) is not None]
    if found:
        raise ValueError(
            f"RandAugment moves images, but cannot move {', '.join(found)} "
            "with them; it is for classification."
        )


def _check_images(shape: tf.TensorShape, dtype: tf.DType) -> None:
    if (
        shape.rank not in (3, 4)
        or shape[-1] != 3
        or not (dtype == tf.uint8 or dtype.is_floating)
    ):
        raise ValueError(
            "images must be uint8 or floating point of shape (batch, height, "
            f"width, 3) or (height, width, 3), got {dtype.name} {shape}"
        )


def _to_int64(seed: tf.Tensor) -> tf.Tensor:
    """Casts a seed, because other dtypes would give other numbers."""
    seed = tf.convert_to_tensor(seed)
    if not seed.dtype.is_integer:
        raise ValueError(f"seed must be of integers, got {seed.dtype.name}")
    return tf.cast(seed, tf.int64)


def _to_uint8(images: tf.Tensor) -> tf.Tensor:
    """Rounds floating point images after a check of their values."""
    if images.dtype == tf.uint8:
        return images
    within = tf.reduce_all((images >= 0) & (images <= 255))  # not NaN either
    message = "images must have values in [0, 255], got some outside"
    with tf.control_dependencies([tf.debugging.Assert(within, [message])]):
        return tf.cast(tf.round(images), tf.uint8)


def _seeds_of_images(
    seed: tf.Tensor, batched: bool, size: tf.Tensor
) -> tf.Tensor:
    """Returns one seed for each of `size` images, int64 (size, 2)."""
    if batched and seed.shape.rank == 2 and seed.shape[1] == 2:
        message = "seed must have as many rows as there are images"
        known = tf.get_static_value(size)
        if None not in (known, seed.shape[0]) and known != seed.shape[0]:
            raise ValueError(f"{message}, {known}; got {seed.shape[0]}")
        equal = tf.debugging.assert_equal(tf.shape(seed)[0], size, message)
        with tf.control_dependencies([equal] if equal is not None else []):
            return tf.identity(seed)
    if seed.shape != [2]:
        raise ValueError(
            "seed must have the shape (2,), or (batch, 2) for a batch, got "
            f"{seed.shape}"
        )
    if not batched:
        return seed[tf.newaxis]
    return tf.random.stateless_uniform(
        tf.stack([size, 2]), seed, None, None, tf.int64, alg="philox"
    )


def keras_cv_rand_augment(
    num_layers: int, magnitude: float
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """`keras_cv.layers.RandAugment` with the operations' strength fixed.

    It draws from TensorFlow's own state, not from a seed, so a run with it
    can be neither repeated nor resumed exactly. It has ten operations: not
    Invert, Rotate, Posterize, SolarizeAdd alone, Sharpness and Cutout.

    Args:
      num_layers: The number of operations per image.
      magnitude: The strength in [0, 30], as in `RandAugment`.

    Returns:
      A function of images, uint8 (batch, height, width, 3), and a seed, which
      is not used; it returns images of the same form.
    """
    # Slow to import, and needed only with augment_name=keras_cv.
    import keras_cv

    layer = keras_cv.layers.RandAugment(
        value_range=(0, 255),
        augmentations_per_image=num_layers,
        magnitude=magnitude / _FULL_MAGNITUDE,
        magnitude_stddev=0.0,
        rate=1.0,
    )

    def augment(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        del seed
        noised = layer(tf.cast(images, tf.float32))
        rounded = tf.saturate_cast(tf.round(noised), tf.uint8)
        return tf.ensure_shape(rounded, images.shape)

    return augment

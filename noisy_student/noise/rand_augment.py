"""RandAugment as a Keras layer (Cubuk et al., arXiv 1909.13719)."""

from typing import Any

import keras
import tensorflow as tf

from noisy_student.noise.policy import Policy

# What keras-cv passes beside the images and geometry would have to move too.
_SPATIAL_LABELS = ("bounding_boxes", "segmentation_masks", "keypoints")


@keras.saving.register_keras_serializable("noisy_student")
class RandAugment(keras.layers.Layer):
    """Applies `num_layers` random operations in a row to each image.

    Each operation is drawn uniformly, with replacement, from sixteen
    (`OP_NAMES`), for each image on its own. All work at one magnitude; more
    is stronger for most of them. Posterize and Solarize are weaker the larger
    it is, and from 20 and 10 on leave the image as it is: the numbers of bits
    and the threshold asked for are then at least 8 and 256, and are clamped
    to those. (Without clamping, more than those wrap in 8 bits to other values
    than were asked for.) At magnitude 5 the factors of Color, Contrast,
    Brightness and Sharpness are 1, which changes nothing.

    Composes with keras-cv: takes and returns its dicts too, of which only
    `images` is changed. XLA compiles it once per shape, which takes a second:
    apply it to images that were cut to one size.

    Args:
      num_layers: operations per image, at least 0.
      magnitude: strength from 0 to 30; 10 is each operation's full range.
      translate_limit: shift at magnitude 10, in pixels. Small images: an
        eighth of the side.
      cutout_limit: half the side of the cut-out square at magnitude 10, in
        pixels. Small images: an eighth of the side.
      use_cutout: False leaves Cutout out of the draw.
      seed: int, of the draws where a call names no seed; None is random.
      **kwargs: of `keras.layers.Layer`.

    Raises:
      ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        num_layers: int = 2,
        magnitude: float = 27,
        translate_limit: float = 100.0,
        cutout_limit: float = 40.0,
        use_cutout: bool = True,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        # Without autocast: a half-precision policy would round the values.
        super().__init__(autocast=False, **kwargs)
        self.policy = Policy(
            num_layers, magnitude, translate_limit, cutout_limit, use_cutout
        )
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(
        self,
        inputs: tf.Tensor | dict[str, Any],
        seed: tf.Tensor | None = None,
        training: bool = True,
    ) -> tf.Tensor | dict[str, Any]:
        """Returns the images with noise, in the shape and dtype they have.

        A seed makes the call a pure function: the same images and seed give
        the same result, eagerly, in a `tf.data` map with any number of
        threads, and in a compiled step. With a seed an image, an image's
        result does not depend on its batch either, and so is the same on any
        number of replicas. Without a seed each call draws anew from the
        layer's own generator, in the order in which calls happen to run, and
        each replica draws its own.

        Args:
          inputs: (batch, height, width, 3) or (height, width, 3), RGB, uint8
            or floating point in [0, 255], or a dict with such `images`.
            Fractions are rounded.
          seed: int32 or int64 (2,), or (batch, 2) for a seed an image.
          training: False returns the inputs as they are.

        Raises:
          ValueError: rank, channels or dtype of the images, or shape or dtype
            of the seed, are others; the dict has no `images`, or labels with
            places in the image.
          tf.errors.InvalidArgumentError: values are outside of [0, 255], or
            the seeds are not as many as the images. (Not noticed in a step
            that XLA compiles as a whole.)
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
        noised = tf.cast(self.policy(_to_uint8(batch), seeds), images.dtype)
        return tf.ensure_shape(noised if batched else noised[0], images.shape)

    def _own_seed(self) -> tf.Tensor:
        """The next seed of the layer's generator, another on each replica."""
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
        """The shapes and dtypes of the inputs, checked as `call` does."""
        if isinstance(inputs, dict):
            _check_dict(inputs)
        images = inputs["images"] if isinstance(inputs, dict) else inputs
        _check_images(tf.TensorShape(images.shape), tf.as_dtype(images.dtype))
        return keras.tree.map_structure(
            lambda x: keras.KerasTensor(x.shape, x.dtype), inputs
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments of `__init__`."""
        policy = self.policy
        config = super().get_config()
        config.pop("autocast", None)
        return config | {
            "num_layers": policy.num_layers,
            "magnitude": policy.magnitude,
            "translate_limit": policy.translate_limit,
            "cutout_limit": policy.cutout_limit,
            "use_cutout": policy.use_cutout,
            "seed": self.seed,
        }


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
    """Integer types are made one: others would give other numbers."""
    seed = tf.convert_to_tensor(seed)
    if not seed.dtype.is_integer:
        raise ValueError(f"seed must be of integers, got {seed.dtype.name}")
    return tf.cast(seed, tf.int64)


def _to_uint8(images: tf.Tensor) -> tf.Tensor:
    """Rounds floating point images, after a check of their values."""
    if images.dtype == tf.uint8:
        return images
    within = tf.reduce_all((images >= 0) & (images <= 255))  # not NaN either
    message = "images must have values in [0, 255], got some outside"
    with tf.control_dependencies([tf.debugging.Assert(within, [message])]):
        return tf.cast(tf.round(images), tf.uint8)


def _seeds_of_images(
    seed: tf.Tensor, batched: bool, size: tf.Tensor
) -> tf.Tensor:
    """A seed for each of `size` images: int64 (size, 2)."""
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

"""keras-cv's own RandAugment, for comparison."""

from collections.abc import Callable

import tensorflow as tf

_FULL_MAGNITUDE = 30  # keras-cv counts from 0 to 1


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
        rounded = tf.clip_by_value(tf.round(noised), 0.0, 255.0)
        return tf.ensure_shape(tf.cast(rounded, tf.uint8), images.shape)

    return augment

"""A network for tests in which it matters little: it is traced in no time."""

import keras

from noisy_student.models import blocks, dropout


def tiny(classes: int, side: int) -> keras.Model:
    """A convolution, batch norm, dropout and a classifier."""
    images = keras.Input((side, side, 3))
    x = keras.layers.Rescaling(1 / 255)(images)
    x = blocks.ConvNorm(4, 3, 2, "swish")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = dropout.Dropout(0.2)(x)
    return keras.Model(images, keras.layers.Dense(classes)(x))


def of_keras(classes: int, side: int) -> keras.Model:
    """The same of Keras' own layers."""
    images = keras.Input((side, side, 3))
    x = keras.layers.Rescaling(1 / 255)(images)
    x = keras.layers.Conv2D(4, 3, 2)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(0.2)(x)
    return keras.Model(images, keras.layers.Dense(classes)(x))

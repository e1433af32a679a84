"""Networks for tests in which they matter little; they are traced at once."""

import keras

from noisy_student.models import dropout


def tiny(classes: int, side: int) -> keras.Model:
    """A convolution, batch norm, dropout and a classifier."""
    images, features = _pooled(side)
    return _classified(images, features, classes)


def heavy(classes: int, side: int) -> keras.Model:
    """The same with 100,000 weights, for disks to be filled with."""
    images, x = _pooled(side)
    for _ in range(2):
        x = keras.layers.Dense(300, activation="swish")(x)
    return _classified(images, x, classes)


def _pooled(side: int) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    images = keras.Input((side, side, 3))
    x = keras.layers.Rescaling(1 / 255)(images)
    x = keras.layers.Conv2D(4, 3, 2)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Activation("swish")(x)
    return images, keras.layers.GlobalAveragePooling2D()(x)


def _classified(
    images: keras.KerasTensor, features: keras.KerasTensor, classes: int
) -> keras.Model:
    x = dropout.Dropout(0.2)(features)
    return keras.Model(images, keras.layers.Dense(classes, dtype="float32")(x))

"""Test-time augmentation: a model that averages over views of an image."""

from collections.abc import Iterator

import keras
from keras import ops

# A shift is this share of the side, or one pixel.
_SHIFT = 1 / 16
# Shifts in rows and columns, nearest first.
_SHIFTS = ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0))
_DIAGONALS = ((1, 1), (1, -1), (-1, 1), (-1, -1))
_TINY = 1e-30  # keeps the logarithm of a probability of 0 finite


def most_views(flip: bool) -> int:
    """Returns how many different views there are."""
    return len(_SHIFTS + _DIAGONALS) * (2 if flip else 1)


def averaged(model: keras.Model, number: int, flip: bool) -> keras.Model:
    """Returns a model that averages probabilities over views of an image.

    The views are the image, its mirror image, and both shifted by a sixteenth
    of the side up, down, left, right and diagonally; what enters at the border
    is mirrored.

    Args:
        model: From images, float (batch, side, side, 3), to logits.
        number: Number of views, 1 to `most_views(flip)`; 1 is the model
            itself.
        flip: Whether a mirrored image keeps its class.

    Returns:
        A model of the same input, to the logarithms of the probabilities.
    """
    if number == 1:
        return model
    side = model.input_shape[1]
    images = keras.Input((side, side, 3))
    views = list(_views(images, side, flip))[:number]
    probabilities = [
        ops.softmax(model(view, training=False), axis=-1) for view in views
    ]
    mean = ops.mean(ops.stack(probabilities), axis=0)
    return keras.Model(images, ops.log(ops.maximum(mean, _TINY)))


def _views(
    images: keras.KerasTensor, side: int, flip: bool
) -> Iterator[keras.KerasTensor]:
    pixels = max(1, round(side * _SHIFT))
    around = [[0, 0], [pixels, pixels], [pixels, pixels], [0, 0]]
    padded = ops.pad(images, around, mode="reflect")
    for row, column in _SHIFTS + _DIAGONALS:
        top, left = pixels * (1 + row), pixels * (1 + column)
        view = padded[:, top : top + side, left : left + side]
        yield view
        if flip:
            yield ops.flip(view, axis=2)

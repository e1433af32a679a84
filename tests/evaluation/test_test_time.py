"""The views of test-time augmentation, and their average."""

import keras
import numpy as np
import pytest

from noisy_student.evaluation import test_time

SIDE = 16


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    images = keras.Input((SIDE, SIDE, 3))
    return keras.Model(
        images, keras.layers.Dense(4)(keras.layers.Flatten()(images / 255))
    )


def views(images, flip):
    """By NumPy: a pixel is a sixteenth of the side."""
    around = [(0, 0), (1, 1), (1, 1), (0, 0)]
    padded = np.pad(images, around, mode="reflect")
    lines = [(1, 1), (1, 2), (1, 0), (2, 1), (0, 1)]
    diagonals = [(2, 2), (2, 0), (0, 2), (0, 0)]
    for top, left in lines + diagonals:
        view = padded[:, top : top + SIDE, left : left + SIDE]
        yield view
        if flip:
            yield view[:, :, ::-1]


@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize("number", [1, 2, 5, 9])
def test_probabilities_are_averaged(model, flip, number):
    generator = np.random.default_rng(0)
    images = generator.uniform(0, 255, (3, SIDE, SIDE, 3)).astype(np.float32)
    found = test_time.averaged(model, number, flip)(images, training=False)
    each = [
        keras.ops.softmax(model(view), axis=-1)
        for view in list(views(images, flip))[:number]
    ]
    np.testing.assert_allclose(
        keras.ops.softmax(found, axis=-1), np.mean(each, axis=0), rtol=1e-5
    )
    assert number == 1 or np.ptp(np.array(each), axis=0).max() > 1e-3


@pytest.mark.parametrize("flip", [True, False])
def test_all_views_are_counted(flip):
    image = np.random.default_rng(0).random((1, SIDE, SIDE, 3))
    found = list(views(image, flip))
    assert len(found) == test_time.most_views(flip)
    assert len({view.tobytes() for view in found}) == len(found)

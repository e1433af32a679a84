import numpy as np
import pytest
from sklearn.datasets import load_digits

from noisy_student import tasks


def test_mean_and_deviation_of_the_digits():
    pixels = load_digits().images / 16
    task = tasks.KNOWN["digits"]
    np.testing.assert_allclose(task.mean, pixels.mean(), atol=1e-4)
    np.testing.assert_allclose(task.std, pixels.std(), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "side", "flip", "small"),
    [
        ("mnist", 28, False, True),
        ("emnist/balanced", 28, False, True),
        ("cifar100", 32, True, True),
        ("oxford_flowers102", None, True, False),
        ("stl10", 96, True, False),
    ],
)
def test_data_sets_by_name_get_sensible_defaults(name, side, flip, small):
    task = tasks.generic_task(name, 10, side)
    assert task.horizontal_flip == flip
    assert task.small_images == small
    assert task.image_size == (side if small else None)

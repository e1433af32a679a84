"""Flip probabilities against arithmetic by hand, and NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from noisy_student.config.robustness import PERTURBATIONS
from noisy_student.evaluation import perturbations
from tests.evaluation.by_hand import flip_probability

# Two sequences of four frames.
PREDICTIONS = np.array([[1, 1, 2, 1], [3, 4, 4, 4]])


def test_frames_are_compared_with_the_one_before():
    # 1-1, 1-2, 2-1; 3-4, 4-4, 4-4: three of six.
    found = flip_probability(PREDICTIONS, noise=False)
    assert found == pytest.approx(3 / 6)


def test_frames_of_noise_are_compared_with_the_first():
    # 1-1, 1-2, 1-1; 3-4, 3-4, 3-4: four of six.
    found = flip_probability(PREDICTIONS, noise=True)
    assert found == pytest.approx(4 / 6)


@pytest.mark.parametrize("noise", [False, True])
def test_frames_that_are_the_same_never_flip(noise):
    same = np.tile([[4], [2]], 9)
    assert flip_probability(same, noise) == 0


def test_rates_are_in_units_of_the_baseline():
    flips = {"snow": 0.02, "tilt": 0.3, "scale": 0.1, "rotate": 0.1}
    baseline = {"snow": 0.04, "tilt": 0.2, "scale": 0.0}
    found = perturbations.flip_rates(flips, baseline)
    assert found == pytest.approx({"snow": 50.0, "tilt": 150.0})


def test_alexnet_is_a_hundred_to_itself():
    alexnet = perturbations.ALEXNET_FLIPS
    assert {*alexnet} == {*PERTURBATIONS}
    found = perturbations.flip_rates(alexnet, alexnet)
    assert found == pytest.approx(dict.fromkeys(PERTURBATIONS, 100.0))


class Brightest:
    """A model whose answer is the channel with the highest mean."""

    def __call__(self, images, training):
        assert training is False
        return tf.reduce_mean(tf.cast(images, tf.float32), axis=(1, 2))


def sequences(sizes, frames=5, side=2):
    """Frames in which one channel is bright, and which one it is."""
    generator = np.random.default_rng(1)
    classes = generator.integers(0, 3, [sum(sizes), frames])
    images = np.zeros([sum(sizes), frames, side, side, 3], np.uint8)
    for sequence, frame in np.ndindex(*classes.shape):
        images[sequence, frame, ..., classes[sequence, frame]] = 200
    return images, classes


@pytest.mark.parametrize("largest", [100, 7, 1])
@pytest.mark.parametrize(("replicas", "batch_size"), [(1, 1), (2, 1), (2, 3)])
def test_flips_are_those_of_each_group(replicas, batch_size, largest):
    sizes, noise = [4, 2, 5], [False, True, False]
    images, classes = sequences(sizes)
    expected = [
        flip_probability(part, kind)
        for part, kind in zip(
            np.split(classes, np.cumsum(sizes)[:-1]), noise, strict=True
        )
    ]
    assert len({*expected}) == 3
    padding = -11 % batch_size
    content = {
        "image": np.pad(images, [(0, padding)] + [(0, 0)] * 4),
        "row": np.pad(np.arange(11), (0, padding)),
        "weight": np.pad(np.ones(11, np.float32), (0, padding)),
    }
    content["image"][11:, 1::2, ..., 1] = 200  # padding that would be seen
    dataset = tf.data.Dataset.from_tensor_slices(content).batch(
        batch_size, drop_remainder=True
    )
    strategy = tf.distribute.MirroredStrategy(
        [f"CPU:{index}" for index in range(replicas)]
    )
    with strategy.scope():
        evaluator = perturbations.Flips(
            lambda _: dataset,
            11,
            group_sizes=sizes,
            noise=noise,
            largest_batch=largest,
        )
        found = evaluator.probabilities(Brightest())
        mean = evaluator(Brightest())["flip_probability"]
    assert found == pytest.approx(expected)
    assert mean == pytest.approx(np.dot(expected, sizes) / 11)

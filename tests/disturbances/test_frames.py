"""Frames hold against PIL, SciPy and arithmetic; the same ones every time."""

import colorsys

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from noisy_student.config.robustness import PERTURBATIONS
from noisy_student.disturbances import frames, warps
from tests.data.directories import photo


def image(side=32):
    return np.asarray(photo(0, (side, side)))


def make(kind, number=31, pixels=None, place=0):
    pixels = image() if pixels is None else pixels
    return frames.make(pixels, kind, number, place)


@pytest.mark.parametrize("kind", PERTURBATIONS)
@pytest.mark.parametrize("side", [20, 32, 80])
def test_frames_are_the_same_every_time(kind, side):
    pixels = image(side)
    made = make(kind, 4, pixels)
    assert made.shape == (4, side, side, 3)
    assert made.dtype == np.uint8
    np.testing.assert_array_equal(made, make(kind, 4, pixels))
    differ = (made[1:] != made[:-1]).any(axis=(1, 2, 3))
    assert differ.all()
    is_random = kind in ("gaussian_noise", "shot_noise", "snow")
    assert (made != make(kind, 4, pixels, place=1)).any() == is_random


@pytest.mark.parametrize("kind", PERTURBATIONS)
def test_frames_of_a_batch_are_those_of_its_images(kind):
    pixels = np.stack([image(), image()[::-1]])
    made = frames.make_all(pixels, [kind, "rotate"], 3, [4, 5])
    np.testing.assert_array_equal(made[0], make(kind, 3, pixels[0], 4))
    np.testing.assert_array_equal(made[1], make("rotate", 3, pixels[1], 5))


def test_noise_is_around_the_image_and_as_strong_as_said():
    grey = np.full((64, 64, 3), 128, np.uint8)
    made = make("gaussian_noise", pixels=grey)
    np.testing.assert_array_equal(made[0], grey)
    assert made[1:].std() == pytest.approx(0.02 * 255, rel=0.02)
    assert made[1:].mean() == pytest.approx(128, abs=0.1)
    shot = make("shot_noise", pixels=grey)
    np.testing.assert_array_equal(shot[0], grey)
    # The variance of a count is its mean.
    deviation = np.sqrt(700 * 128 / 255) / 700
    assert shot[1:].std() == pytest.approx(255 * deviation, rel=0.03)
    assert shot[1:].mean() == pytest.approx(128, abs=0.1)


def test_brightness_is_the_value_of_hsv():
    made = make("brightness", 3)
    np.testing.assert_allclose(made[1], image(), atol=1)
    for frame, added in ((made[0], -0.225), (made[2], 0.225)):
        for row, column in ((3, 4), (17, 20), (30, 1)):
            hue, saturation, value = colorsys.rgb_to_hsv(
                *image()[row, column] / 255
            )
            value = np.clip(value + added, 0, 1)
            expected = colorsys.hsv_to_rgb(hue, saturation, value)
            np.testing.assert_allclose(
                frame[row, column] / 255, expected, atol=0.6 / 255
            )


def test_translation_moves_by_pixels_to_the_right():
    made = make("translate", 15)  # a pixel from frame to frame
    np.testing.assert_array_equal(made[7], image())
    np.testing.assert_array_equal(made[10][:, 3:], image()[:, :-3])
    np.testing.assert_array_equal(made[10][:, :3], image()[:, 2::-1])


@pytest.mark.parametrize("angle", [-15, 15])
def test_rotation_is_pil_s(angle):
    made = make("rotate", 31)[0 if angle < 0 else -1]
    # PIL turns the other way.
    expected = Image.fromarray(image()).rotate(
        -angle, Image.Resampling.BILINEAR
    )
    inner = slice(8, 24)
    np.testing.assert_allclose(
        made[inner, inner], np.asarray(expected)[inner, inner], atol=2
    )


def test_scaling_reduces_on_black():
    made = make("scale", 2, pixels=np.full((224, 224, 3), 255, np.uint8))
    assert made[0].mean() == pytest.approx(255 * 0.4**2, rel=0.02)
    assert (made[0][:60] == 0).all()
    assert made[1].min() == 255


def test_a_tilt_is_the_image_seen_from_ahead():
    """Corners of the image lie where a camera would see them."""
    side, angle = 200, np.radians(15)
    homography = warps.tilt(15, side)
    distance = np.sqrt(2) * side
    for x, y in ((-100, -100), (100, -100), (100, 100), (30, -70)):
        # About the y axis first, then about the x axis.
        point = np.array([x * np.cos(angle), y, x * np.sin(angle)])
        sine, cosine = np.sin(angle), np.cos(angle)
        point = np.array(
            [
                point[0],
                cosine * point[1] - sine * point[2],
                sine * point[1] + cosine * point[2],
            ]
        )
        seen = distance * point[:2] / (point[2] + distance)
        found = homography @ [x, y, 1]
        np.testing.assert_allclose(found[:2] / found[2], seen)


def test_zoom_blur_is_a_mean_of_enlargements():
    made = make("zoom_blur", 3)
    np.testing.assert_array_equal(made[0], image())
    zoomed = [
        warps.warp(image().astype(np.float32), warps.scaling(scale))
        for scale in (1, 1.06, 1.12)
    ]
    np.testing.assert_allclose(made[2], np.mean(zoomed, axis=0), atol=1)


def test_motion_blur_is_a_convolution_with_half_a_normal_distribution():
    pixels = image()[..., :1].astype(np.float64)
    found = warps.motion_blur(pixels, 3, 2, 0)
    # The blurred pixel is a mean over those to its right.
    weights = np.exp(-(np.arange(7) ** 2) / (2 * 2**2))
    expected = ndimage.correlate1d(
        pixels[..., 0],
        np.concatenate([np.zeros(6), weights / weights.sum()]),
        axis=1,
        mode="nearest",
    )
    np.testing.assert_allclose(found[..., 0], expected)
    upright = warps.motion_blur(pixels.transpose(1, 0, 2), 3, 2, 90)
    np.testing.assert_allclose(upright[..., 0].T, expected)


def test_snow_falls_on_both_sides_of_a_dulled_image():
    black = make("snow", 3, pixels=np.zeros((32, 32, 3), np.uint8))
    # What is no flake is 0.15 of a grey of 0.5.
    assert black.min() == round(255 * 0.075)
    assert black.max() > 100
    for frame in black:
        np.testing.assert_array_equal(frame, np.rot90(frame, 2))
        np.testing.assert_array_equal(frame[..., 0], frame[..., 2])

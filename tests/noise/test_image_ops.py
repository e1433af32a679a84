"""Each operation equals PIL's on a photograph, odd sizes and a flat image."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from sklearn.datasets import load_sample_image

from noisy_student.noise import geometry, image_ops
from noisy_student.noise.policy import OP_NAMES, apply_op
from tests.noise import pil_ops

MAGNITUDES = (0, 5, 10, 15, 27, 30)
SIGNED = ("Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY")
LIMIT = 12.0  # pixels; with 100 the small test images would all turn grey


def _photograph(width: int, height: int) -> np.ndarray:
    image = Image.fromarray(load_sample_image("china.jpg"))
    return np.array(image.resize((width, height), Image.Resampling.BICUBIC))


IMAGES = {
    "photograph": _photograph(64, 48),
    "odd": _photograph(37, 53),
    "square": _photograph(32, 32),
    "narrow": np.clip(_photograph(64, 48) // 4 + 90, 0, 255).astype("uint8"),
    "flat": np.full((20, 24, 3), (70, 128, 255), np.uint8),
    "tiny": _photograph(2, 3),
    "strip": _photograph(7, 1),
    "point": _photograph(1, 1),
    "large": _photograph(224, 224),
}


@pytest.mark.parametrize("kind", IMAGES)
@pytest.mark.parametrize("name", OP_NAMES)
def test_equals_pil(name, kind):
    image = IMAGES[kind]
    centre = (image.shape[0] // 2, image.shape[1] // 3)
    limits = (100.0, 40.0) if kind == "large" else (LIMIT, LIMIT)
    for magnitude in MAGNITUDES:
        for sign in (1, -1) if name in SIGNED else (1,):
            levels = (magnitude, sign, centre, *limits)
            ours = apply_op(name, image, *levels).numpy()
            pil = np.array(
                pil_ops.apply_op(name, Image.fromarray(image), *levels)
            )
            assert ours.dtype == np.uint8 and ours.shape == image.shape
            where = f"magnitude {magnitude}, sign {sign}"
            if name == "AutoContrast":  # PIL's rounding, see the docstring
                below = ours.astype(int) - pil
                assert below.min() >= 0 and below.max() <= 1, where
            elif name in SIGNED:
                equal = (ours == pil).all(axis=-1).mean()
                assert equal >= 0.995, where
            else:
                np.testing.assert_array_equal(ours, pil, where)


# What the original's graph made of two images, by operation and magnitude.
# The level of difference allowed: it truncates where PIL rounds.
AGREED = {
    "AutoContrast": 1,
    "Brightness": 0,
    "Color": 4,
    "Equalize": 0,
    "Invert": 0,
    "Posterize": 0,
    "Rotate": 0,
    "Sharpness": 4,
    "Solarize": 0,
    "SolarizeAdd": 0,
    "TranslateX": 0,
    "TranslateY": 0,
}


@pytest.mark.parametrize("name", AGREED)
def test_equals_the_original_where_it_equals_pil(name, fixtures):
    original = np.load(fixtures / "augment" / "original_32px.npz")
    keys = [key for key in original if key.split("/")[0] == name]
    compared = 0
    for key in keys:
        magnitude, sign = _level(key)
        if _wraps(name, magnitude):
            continue
        for image, expected in zip(
            original["images"], original[key], strict=True
        ):
            ours = apply_op(
                name,
                image,
                magnitude,
                sign,
                translate_limit=4.0,
            ).numpy()
            difference = abs(ours.astype(int) - expected).max(axis=-1)
            if name == "Rotate":
                assert (difference == 0).mean() >= 0.995, key
            else:
                assert difference.max() <= AGREED[name], key
            compared += 1
    assert compared >= 2


def _level(key: str) -> tuple[float, int]:
    """Magnitude and sign of "Rotate/27/neg"; of "Invert", any."""
    _, *level = key.split("/")
    return float(level[0]) if level else 10.0, -1 if "neg" in level else 1


def _wraps(name: str, magnitude: float) -> bool:
    """Whether the original asked for a level out of the operation's range."""
    bits, threshold = int(4 * magnitude / 10), int(256 * magnitude / 10)
    return (name == "Posterize" and not 0 < bits <= 8) or (
        name == "Solarize" and threshold > 255
    )


@pytest.mark.parametrize("name", OP_NAMES)
def test_compiled_with_unknown_size_equals_eager(name):
    def op(image, sign):
        return apply_op(name, image, 15, sign, translate_limit=LIMIT)

    signature = [
        tf.TensorSpec([None, None, 3], tf.uint8),
        tf.TensorSpec([], tf.int32),
    ]
    compiled = tf.function(op, input_signature=signature, jit_compile=True)
    for kind in ("photograph", "odd"):
        image = tf.constant(IMAGES[kind])
        np.testing.assert_array_equal(compiled(image, -1), op(image, -1))


@pytest.mark.parametrize("name", ["AutoContrast", "Equalize"])
def test_flat_image_is_left_alone(name):
    flat = IMAGES["flat"]
    np.testing.assert_array_equal(apply_op(name, flat, 10), flat)


@pytest.mark.parametrize("name", ["Color", "Contrast", "Brightness"])
def test_magnitude_five_enhances_nothing(name):
    image = IMAGES["photograph"]
    np.testing.assert_array_equal(apply_op(name, image, 5), image)


@pytest.mark.parametrize("name", ["Posterize", "Solarize"])
def test_clamped_level_leaves_the_image_alone(name):
    image = IMAGES["photograph"]
    np.testing.assert_array_equal(apply_op(name, image, 27), image)


def test_positive_rotation_is_counter_clockwise():
    image = np.zeros((33, 33, 3), np.uint8)
    image[16, 30] = 255  # three o'clock
    quarter = geometry.sources([geometry.rotation(90.0, (33, 33))], image[None])
    turned = geometry.transform(image[None], quarter).numpy()
    assert turned[0, 2, 16, 0] == 255  # twelve o'clock


def test_cutout_fills_a_square_clipped_at_the_border():
    image = np.zeros((20, 30, 3), np.uint8)
    expected = image.copy()
    expected[7:13, 0:5] = 128
    centres = tf.constant([[10, 2]])
    holed = image_ops.cutout(image[None], centres, half_side=3)
    np.testing.assert_array_equal(holed[0], expected)


def test_cutout_level_and_default_centre():
    image = np.zeros((40, 40, 3), np.uint8)
    holed = apply_op("Cutout", image, 15, cutout_limit=6.0).numpy()
    assert (holed[11:29, 11:29] == 128).all()  # half side 6 * 1.5 = 9
    assert (holed == 128).sum() == 3 * 18 * 18


def test_unknown_operation_and_magnitude_are_refused():
    image = IMAGES["tiny"]
    with pytest.raises(ValueError, match=r"name must be one of .*'Blur'"):
        apply_op("Blur", image, 10)
    with pytest.raises(ValueError, match=r"magnitude must be .* got 31"):
        apply_op("Invert", image, 31)
    with pytest.raises(ValueError, match="sign must be 1 or -1, got 0"):
        apply_op("Rotate", image, 10, 0)
    for other in (image.astype(np.float32), image[None], image[..., :1]):
        with pytest.raises(ValueError, match=r"image must be uint8 of shape"):
            apply_op("ShearX", other, 10)

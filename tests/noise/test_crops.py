"""Crops show the window they should, draw fairly and keep uint8."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from sklearn.datasets import load_sample_image

from noisy_student.noise import crops


def _photograph(width: int, height: int) -> Image.Image:
    image = Image.fromarray(load_sample_image("china.jpg"))
    return image.resize((width, height), Image.Resampling.BICUBIC)


def _encode(image: Image.Image, form: str) -> bytes:
    stream = io.BytesIO()
    options = {"quality": 100, "subsampling": 0} if form == "JPEG" else {}
    image.save(stream, form, **options)
    return stream.getvalue()


def _gradient(width: int, height: int) -> Image.Image:
    """Red is the column and green the row: a pixel tells where it is from."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.arange(width)
    image[..., 1] = np.arange(height)[:, None]
    return Image.fromarray(image)


def _seed(number: int) -> tf.Tensor:
    return tf.constant([number, 42])


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "GIF"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_decode(form, mode):
    image = _photograph(31, 22).convert(mode)
    encoded = _encode(image, form)
    decoded = crops.decode(encoded)
    truth = np.array(Image.open(io.BytesIO(encoded)).convert("RGB"))
    assert decoded.dtype == tf.uint8 and decoded.shape == (22, 31, 3)
    np.testing.assert_array_equal(decoded, truth)


def test_decode_drops_transparency_and_later_frames():
    image = _photograph(31, 22)
    transparent = image.convert("RGBA")
    transparent.putalpha(77)
    decoded = crops.decode(_encode(transparent, "PNG"))
    np.testing.assert_array_equal(decoded, np.array(image))
    stream = io.BytesIO()
    frames = [Image.new("RGB", (8, 6), (value, 0, 0)) for value in (250, 9)]
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
    decoded = crops.decode(stream.getvalue()).numpy()
    assert decoded.shape == (6, 8, 3) and (decoded[..., 0] == 250).all()


def test_decode_refuses_what_is_no_image():
    with pytest.raises(tf.errors.InvalidArgumentError):
        crops.decode(b"no image")


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize("shape", [(200, 120), (120, 201)])
def test_central_crop_shows_the_central_square(form, shape):
    gradient = _gradient(*shape)
    size = 48  # 48 / 80 of 120 is 72
    encoded = _encode(gradient, form)
    crop = crops.central_crop(encoded, size)
    assert crop.dtype == tf.uint8 and crop.shape == (size, size, 3)
    left, top = (-(-(side - 72) // 2) for side in shape)
    decoded = Image.open(io.BytesIO(encoded))
    window = decoded.crop((left, top, left + 72, top + 72))
    truth = window.resize((size, size), Image.Resampling.BICUBIC)
    np.testing.assert_allclose(
        crop.numpy().astype(int), np.array(truth), atol=2
    )


def test_central_crop_equals_bicubic_enlargement_by_pil():
    # Enlarging, PIL does not smooth first and has the same kernel; they
    # differ at the border, and by rounding.
    photograph = _photograph(50, 40)
    crop = crops.central_crop(_encode(photograph, "PNG"), 96)  # window 30
    window = photograph.crop((10, 5, 40, 35))
    truth = np.array(window.resize((96, 96), Image.Resampling.BICUBIC))
    off = np.abs(crop.numpy().astype(int) - truth)[8:-8, 8:-8]
    assert off.max() <= 3 and off.mean() < 0.5


def _windows(shape, count, size=224):
    draw = tf.function(
        lambda i: crops._random_window(
            tf.constant([*shape, 3]), size, tf.stack([i, 42])
        )
    )
    return np.stack([draw(tf.constant(i)).numpy() for i in range(count)])


def test_windows_keep_to_area_and_aspect_and_use_their_range():
    top, left, height, width = _windows((300, 400), 1500).T.astype(float)
    area, aspect = height * width / (300 * 400), width / height
    assert (top >= 0).all() and (top + height <= 300).all()
    assert (left >= 0).all() and (left + width <= 400).all()
    # Whole pixels leave the ranges by less than two percent here.
    assert area.min() > 0.08 * 0.98 and area.max() <= 1
    assert aspect.min() > 0.98 * 3 / 4 and aspect.max() < 1.02 * 4 / 3
    assert area.min() < 0.1 and area.max() > 0.85
    assert aspect.min() < 0.78 and aspect.max() > 1.28
    assert 0.4 < (left / np.maximum(400 - width, 1)).mean() < 0.6
    assert 0.4 < (top / np.maximum(300 - height, 1)).mean() < 0.6


def test_impossible_window_falls_back_to_the_centre():
    # 8 % of 20 x 2000 pixels at aspect 3/4 or more would be 49 rows high.
    window = _windows((20, 2000), 1)[0]
    side = 20 * 224 // 256
    assert list(window) == [2, (2000 - side + 1) // 2, side, side]


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_random_area_crop_shows_the_drawn_window(form):
    gradient = _gradient(250, 180)
    encoded = _encode(gradient, form)
    decoded = Image.open(io.BytesIO(encoded))
    for number in range(4):
        crop = crops.random_area_crop(encoded, 40, _seed(number))
        assert crop.dtype == tf.uint8 and crop.shape == (40, 40, 3)
        top, left, height, width = crops._random_window(
            tf.constant([180, 250, 3]), 40, _seed(number)
        ).numpy()
        window = decoded.crop((left, top, left + width, top + height))
        truth = window.resize((40, 40), Image.Resampling.BICUBIC)
        np.testing.assert_allclose(
            crop.numpy().astype(int)[2:-2, 2:-2],
            np.array(truth)[2:-2, 2:-2],
            atol=3,
        )


def test_decoding_in_a_data_pipeline_equals_eager():
    encoded = [_encode(_photograph(60, 50), form) for form in ("JPEG", "PNG")]
    data = tf.data.Dataset.from_tensor_slices(encoded).map(
        lambda each: (
            crops.random_area_crop(each, 24, _seed(3)),
            crops.central_crop(each, 24),
        ),
        num_parallel_calls=2,
    )
    for each, (random, central) in zip(encoded, data, strict=True):
        eager = crops.random_area_crop(each, 24, _seed(3))
        np.testing.assert_array_equal(random, eager)
        np.testing.assert_array_equal(central, crops.central_crop(each, 24))


@pytest.mark.parametrize("crop", ["central_crop", "random_area_crop"])
def test_sizes_below_one_are_refused(crop):
    encoded = _encode(_photograph(9, 9), "PNG")
    seed = () if crop == "central_crop" else (_seed(0),)
    with pytest.raises(ValueError, match=r"size must be .* got 0"):
        getattr(crops, crop)(encoded, 0, *seed)

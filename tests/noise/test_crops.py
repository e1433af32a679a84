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


def _noise(count: int, height: int = 8, width: int = 10) -> np.ndarray:
    draws = np.random.default_rng(0)
    return draws.integers(0, 256, (count, height, width, 3), np.uint8)


def test_flips_are_fair_and_per_image():
    images = _noise(2000)
    flipped = crops.random_flip(images, _seed(1))
    assert flipped.dtype == tf.uint8
    mirrored = (flipped.numpy() == images[:, :, ::-1]).all(axis=(1, 2, 3))
    kept = (flipped.numpy() == images).all(axis=(1, 2, 3))
    assert (mirrored ^ kept).all()
    assert abs(mirrored.mean() - 0.5) < 5 * 0.5 / np.sqrt(2000)


def test_pad_crops_are_uniform_windows_of_the_reflected_image():
    images = _noise(3000)
    cropped = crops.random_pad_crop(images, _seed(2), padding=2)
    assert cropped.dtype == tf.uint8
    margins = ((0, 0), (2, 2), (2, 2), (0, 0))
    padded = np.pad(images, margins, mode="reflect")
    found = np.zeros((5, 5, 3000), bool)
    for top in range(5):
        for left in range(5):
            window = padded[:, top : top + 8, left : left + 10]
            found[top, left] = (cropped.numpy() == window).all((1, 2, 3))
    assert (found.sum(axis=(0, 1)) == 1).all()
    expected = 3000 / 25
    assert (abs(found.sum(-1) - expected) < 5 * np.sqrt(expected)).all()


@pytest.mark.parametrize("size", [4, 5])
def test_cutouts_are_squares_with_uniform_centres(size):
    images = np.zeros((3000, 8, 10, 3), np.uint8)
    holes = crops.random_cutout(images, _seed(3), size)
    assert holes.dtype == tf.uint8
    mask = holes.numpy() == 128
    assert set(np.unique(holes)) == {0, 128}
    area = mask[..., 0].sum(axis=(1, 2))
    rows, columns = mask[..., 0].any(2).sum(1), mask[..., 0].any(1).sum(1)
    np.testing.assert_array_equal(area, rows * columns)
    assert rows.max() == size and columns.max() == size
    # At the border at least the half on the centre's side is left.
    assert rows.min() == columns.min() == (size + 1) // 2
    # Of 8 x 10 centres, (9 - size) * (11 - size) have the whole square.
    whole = (9 - size) * (11 - size) / 80
    bound = 5 * np.sqrt(whole * (1 - whole) / 3000)
    assert abs((area == size * size).mean() - whole) < bound


def test_cutout_keeps_the_rest():
    images = _noise(50)
    holed = crops.random_cutout(images, _seed(4), 4).numpy()
    changed = (holed != images).any(axis=-1)
    assert (holed[changed] == 128).all() and changed.any(axis=(1, 2)).all()
    np.testing.assert_array_equal(
        crops.random_cutout(images, _seed(4), 0), images
    )


def _cutout(images, seed):
    return crops.random_cutout(images, seed, 4)


BATCH_FUNCTIONS = [crops.random_flip, crops.random_pad_crop, _cutout]


@pytest.mark.parametrize("function", BATCH_FUNCTIONS)
def test_batch_functions_are_a_function_of_the_seed(function):
    images = tf.constant(_noise(20))
    data = tf.data.Dataset.range(4).map(
        lambda i: function(images, tf.stack([tf.cast(i, tf.int32), 42])),
        num_parallel_calls=2,
    )
    assert data.element_spec == tf.TensorSpec(images.shape, tf.uint8)
    results = [result.numpy() for result in data]
    for number, result in enumerate(results):
        np.testing.assert_array_equal(result, function(images, _seed(number)))
    assert (results[0] != results[1]).any()


@pytest.mark.parametrize("function", BATCH_FUNCTIONS)
def test_batch_functions_take_unknown_shapes(function):
    images = tf.constant(_noise(6))
    signature = [tf.TensorSpec([None, None, None, 3], tf.uint8)]
    unknown = tf.function(
        lambda each: function(each, _seed(5)), input_signature=signature
    )
    np.testing.assert_array_equal(unknown(images), function(images, _seed(5)))


@pytest.mark.parametrize("function", BATCH_FUNCTIONS)
def test_batch_functions_refuse_other_types(function):
    with pytest.raises(ValueError, match=r"images must be uint8 .* float32"):
        function(np.zeros((2, 8, 8, 3), np.float32), _seed(0))


def test_bad_arguments_are_refused():
    images, encoded = _noise(2), _encode(_photograph(9, 9), "PNG")
    with pytest.raises(ValueError, match=r"padding must be .* got -1"):
        crops.random_pad_crop(images, _seed(0), padding=-1)
    with pytest.raises(ValueError, match=r"padding must be .* got 8"):
        crops.random_pad_crop(images, _seed(0), padding=8)
    with pytest.raises(ValueError, match=r"size must be .* got -2"):
        crops.random_cutout(images, _seed(0), -2)
    with pytest.raises(ValueError, match=r"size must be .* got 0"):
        crops.central_crop(encoded, 0)
    with pytest.raises(ValueError, match=r"size must be .* got 0"):
        crops.random_area_crop(encoded, 0, _seed(0))

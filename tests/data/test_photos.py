"""Photographs of any format, and the small copies that training reads."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from noisy_student.config import DataConfig, InputConfig, NoiseConfig
from noisy_student.data import copies, photos, pipelines
from noisy_student.data.image_format import ImageFormat
from noisy_student.data.open import open_task
from tests.data.directories import encode, exif_of, photo, read_all

SIZE = (300, 200)


def opened(encoded):
    return Image.open(io.BytesIO(encoded))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_copy_is_smaller_and_upright(orientation):
    encoded = encode(photo(0, SIZE), exif=exif_of(orientation), quality=95)
    copy = opened(photos.smaller(encoded, 50))
    assert copy.format == "JPEG" and min(copy.size) == 50
    expected = ImageOps.exif_transpose(opened(encoded)).resize(
        copy.size, Image.Resampling.BOX
    )
    difference = np.asarray(copy, float) - np.asarray(expected, float)
    assert np.abs(difference).mean() < 4  # of 255
    assert not copy.getexif()


@pytest.mark.parametrize(
    ("side", "which", "size"),
    [(50, min, (75, 50)), (60, max, (60, 40)), (1, max, (1, 1))],
)
def test_either_side_may_be_given(side, which, size):
    copy = opened(photos.smaller(encode(photo(0, SIZE)), side, which))
    assert copy.size == size


def test_what_is_small_or_broken_stays_as_it_is():
    small = encode(photo(0, SIZE))
    broken = encode(photo(0, SIZE))[:40]
    for encoded in (small, broken, b"", b"no image"):
        assert photos.smaller(encoded, 200) is encoded
        assert photos.readable(encoded) is encoded


@pytest.mark.parametrize("name", ["WEBP", "TIFF", "HEIF"])
def test_other_formats_become_jpegs(name):
    if name == "HEIF":
        pytest.importorskip("pillow_heif")
    image = photo(1, SIZE)
    encoded = photos.readable(encode(image, name))
    pixels = tf.io.decode_jpeg(encoded).numpy().astype(float)
    assert np.abs(pixels - np.asarray(image, float)).mean() < 8
    small = opened(photos.smaller(encode(image, name), 20))
    assert small.size == (30, 20)


@pytest.fixture
def folders(tmp_path):
    """A photograph in each of four formats, half of them of each class."""
    for name, label in (
        ("JPEG", "a"),
        ("WEBP", "b"),
        ("TIFF", "b"),
        ("PNG", "a"),
    ):
        for number, split in enumerate(("train", "test")):
            path = tmp_path / split / label / f"{name}.{name.lower()}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(photo(number, SIZE), name))
    return tmp_path


def test_folders_may_have_all_formats(folders):
    data = open_task(DataConfig(label_data_dir=str(folders)), 0)
    expected = np.asarray(photo(0, SIZE), float)
    examples = read_all(data.labeled)
    assert len(examples) == 4
    for example in examples:
        pixels = tf.io.decode_image(example["encoded"]).numpy()
        assert np.abs(pixels - expected).mean() < 8


def batches(data, cache_mib):
    spec = pipelines.BatchSpec(
        ImageFormat.for_task(data.task, 40, NoiseConfig()),
        NoiseConfig(remove_aug=True),
        batch_size=4,
        seed=0,
        input=InputConfig(cache_mib=cache_mib),
    )
    dataset = pipelines.labeled_images(data.labeled, spec)
    return dataset.map(lambda batch: batch["image"]).as_numpy_iterator()


def test_training_reads_each_photograph_once(folders, monkeypatch):
    """Afterwards their files could be gone."""
    monkeypatch.setattr(copies, "_copies", copies._copies.__wrapped__)
    data = open_task(DataConfig(label_data_dir=str(folders)), 0)
    images = batches(data, cache_mib=1)
    first = next(images)
    for path in data.labeled.paths:
        with open(path, "wb"):
            pass
    later = [next(images) for _ in range(3)]
    assert all(batch.std() > 10 for batch in later)
    # The crops are those of whole photographs, but for the resizing.
    whole = np.asarray(photo(0, SIZE), float)
    centre = tf.image.resize(
        tf.image.central_crop(whole, 0.875), (40, 40), "area"
    )
    assert abs(first.mean() - centre.numpy().mean()) < 6


def test_too_many_are_read_each_time(folders):
    data = open_task(DataConfig(label_data_dir=str(folders)), 0)
    assert data.labeled.in_memory(40, 2**20).copies is not None
    assert data.labeled.in_memory(40, 1000).copies is None
    assert copies.copies_for(4, 40, 2**20) is copies.copies_for(5, 40, 2**20)

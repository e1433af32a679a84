"""Photographs of folders that lie on their side reach the model upright."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from noisy_student.config import NoiseConfig
from noisy_student.data import image_files, pipelines, plain, views
from tests.data.directories import (
    encode,
    exif_of,
    huge_jpeg,
    photo,
    write_folders,
)
from tests.data.images import LARGE
from tests.data.test_folders import open_folder


def as_a_camera_writes(image, orientation, kind="JPEG"):
    return encode(image, kind, exif=exif_of(orientation))


def folder_of(path, *files):
    """A folder whose first images these are; the last is another one."""
    write_folders(path, {"train/bee": 1, "test/bee": 1})
    (path / "train/ant").mkdir()
    for number, encoded in enumerate(files):
        (path / f"train/ant/{number:03d}.jpg").write_bytes(encoded)
    return open_folder(path).labeled


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_they_are_read_as_pil_turns_them(tmp_path, kind):
    # Its margins are equal on both sides, so that both have one centre.
    image = photo(0, (64, 48))
    stored = [as_a_camera_writes(image, number, kind) for number in range(10)]
    turned = [
        ImageOps.exif_transpose(Image.open(io.BytesIO(x))) for x in stored
    ]
    sources = [
        folder_of(tmp_path / "stored", *stored),
        folder_of(tmp_path / "turned", *(encode(x, "PNG") for x in turned)),
    ]
    clean = views.BatchSpec(LARGE, NoiseConfig(remove_aug=True), 11, seed=0)
    for read in (
        lambda source: plain.plain_images(source, LARGE, 11),
        lambda source: pipelines.labeled_images(source, clean).take(1),
    ):
        ours, truth = (
            next(read(source).as_numpy_iterator())["image"].astype(float)
            for source in sources
        )
        assert np.abs(ours - truth).max() <= 4
        assert np.abs(ours - truth).mean() < 0.6


def test_random_crops_are_upright(tmp_path):
    """An image that is dark above and bright below, stored on its side."""
    rows = np.linspace(0, 255, 64).astype(np.uint8)[:, None, None]
    image = Image.fromarray(np.broadcast_to(rows, (64, 48, 3)))
    lying = image.transpose(Image.Transpose.ROTATE_90)
    source = folder_of(tmp_path, as_a_camera_writes(lying, orientation=6))
    spec = views.BatchSpec(LARGE, NoiseConfig("none"), 2, seed=0)
    for batch in pipelines.labeled_images(source, spec).take(20):
        crops = batch["image"].numpy()[batch["row"] == 0].astype(float)
        assert (np.diff(crops.mean(axis=(2, 3))) >= 0).all()


def test_files_are_turned_where_readers_do_not():
    image = photo(0, (60, 40))
    for kind in ("JPEG", "PNG"):
        stored = as_a_camera_writes(image, 6, kind)
        turned = Image.open(io.BytesIO(image_files.upright(stored)))
        truth = ImageOps.exif_transpose(Image.open(io.BytesIO(stored)))
        assert turned.format == kind and 0x0112 not in turned.getexif()
        difference = np.subtract(turned, truth, dtype=float)
        assert np.abs(difference).max() <= (4 if kind == "JPEG" else 0)


def test_a_turned_image_of_too_many_pixels_is_left_to_the_decoder():
    encoded = huge_jpeg(exif=exif_of(6))
    assert image_files.upright(encoded) == encoded


def test_broken_exif_leaves_the_bytes():
    encoded = encode(photo(0), exif=b"Exif\0\0MM nonsense")
    assert image_files.upright(encoded) == encoded
    assert image_files.upright(encoded[:90]) == encoded[:90]

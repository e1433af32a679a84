"""Made corruptions are the library's, byte for byte, and seeded."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from noisy_student.config.robustness import CORRUPTIONS, EXTRA_CORRUPTIONS
from noisy_student.disturbances import corruptions, seeds
from tests.data.directories import photo
from tests.scripts import ROOT

library = pytest.importorskip(
    "imagecorruptions", reason="requirements-robustness.txt adds it"
)
KINDS = CORRUPTIONS + EXTRA_CORRUPTIONS


def image(side, number=0):
    return np.asarray(photo(number, (side, side)))


def by_library(pixels, kind, severity, seed):
    np.random.seed(seed)
    options = {}
    if kind in ("impulse_noise", "glass_blur"):  # with generators of their own
        options["seed"] = seed
    return library.corrupt(
        pixels, corruption_name=kind, severity=severity, **options
    )


def test_the_types_are_the_library_s():
    assert list(CORRUPTIONS) == library.get_corruption_names("common")
    assert list(EXTRA_CORRUPTIONS) == library.get_corruption_names("validation")


@pytest.mark.parametrize("kind", KINDS)
def test_images_are_the_library_s_byte_for_byte(kind):
    for severity, side in ((1, 32), (5, 40)):
        pixels = image(side)
        made = corruptions.corrupt(pixels, kind, severity, 3)
        seed = seeds.of_image(kind, severity, 3)
        np.testing.assert_array_equal(
            made, by_library(pixels, kind, severity, seed)
        )
        np.random.seed(0)  # whatever was drawn before
        again = corruptions.corrupt(pixels, kind, severity, 3)
        np.testing.assert_array_equal(made, again)
        assert made.dtype == np.uint8
        assert (made != pixels).any()


@pytest.mark.parametrize("kind", ["gaussian_noise", "glass_blur", "fog"])
def test_each_image_has_its_own_draw(kind):
    pixels = image(32)
    made = [corruptions.corrupt(pixels, kind, 3, place) for place in (0, 1)]
    assert (made[0] != made[1]).any()


def test_small_images_are_enlarged_and_reduced():
    pixels = image(8)
    made = corruptions.corrupt(pixels, "shot_noise", 2, 5)
    large = np.asarray(
        Image.fromarray(pixels).resize((32, 32), Image.Resampling.BICUBIC)
    )
    seed = seeds.of_image("shot_noise", 2, 5)
    noisy = Image.fromarray(by_library(large, "shot_noise", 2, seed))
    expected = np.asarray(noisy.resize((8, 8), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(made, expected)


def test_batches_are_corrupted_one_by_one():
    pixels = np.stack([image(32, number) for number in range(3)])
    kinds, severities, places = ["snow", "frost", "fog"], [1, 3, 5], [7, 8, 9]
    made = corruptions.corrupt_all(pixels, kinds, severities, places)
    each = zip(pixels, kinds, severities, places, strict=True)
    for found, arguments in zip(made, each, strict=True):
        expected = corruptions.corrupt(*arguments)
        np.testing.assert_array_equal(found, expected)


def test_processes_that_corrupt_need_no_tensorflow():
    code = (
        "import sys; from noisy_student import processes;"
        "from noisy_student.disturbances import corruptions, frames;"
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)

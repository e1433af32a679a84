import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from noisy_student import noise
from tools import show_noise

ROOT = pathlib.Path(__file__).parents[2]


def run(*arguments):
    return subprocess.run(
        [sys.executable, "tools/show_noise.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_picture_has_a_row_each_and_random_ones(tmp_path):
    output = tmp_path / "noise.png"
    process = run(
        f"--output={output}",
        "--side=24",
        "--magnitudes=5,30",
        "--random_rows=1",
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout.strip() == str(output)
    picture = np.array(Image.open(output))
    rows = len(noise.OP_NAMES) + 1
    assert picture.shape == (16 + rows * 26, 96 + 2 * 26, 3)
    assert not list(tmp_path.glob("tmp.*"))


def test_cells_are_the_operations():
    image = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    picture = np.array(show_noise.grid(image, [5.0, 30.0], 0, 2, 0))
    for row, name in enumerate(noise.OP_NAMES):
        for column, magnitude in enumerate((5.0, 30.0)):
            cell = picture[16 + row * 26 :, 96 + column * 26 :][:24, :24]
            expected = noise.apply_op(name, image, magnitude, 1, None, 3.0, 3.0)
            np.testing.assert_array_equal(cell, expected)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--magnitudes=5,31", "magnitudes must be in [0, 30]; got '31'"),
        ("--output=/no/where/noise.png", "the directory /no/where is missing"),
        ("--image=README.md", "image README.md cannot be decoded"),
    ],
)
def test_bad_input_is_one_line(argument, message):
    process = run(argument)
    assert process.returncode == 2
    lines = process.stderr.strip().split("\n")
    assert lines[-1].startswith("error: ") and message in lines[-1]
    assert "Traceback" not in process.stderr

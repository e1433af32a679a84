import numpy as np
import pytest
from PIL import Image

from noisy_student import noise
from tests.scripts import python


def run(*arguments):
    return python("tools/show_noise.py", *arguments, timeout=120)


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


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--magnitudes=5,31", "magnitudes must be in [0, 30]; got 31.0"),
        ("--output=/no/where/noise.png", "the directory /no/where is missing"),
        ("--output=tests", "output must be a file; tests is a directory"),
        ("--image=README.md", "image README.md cannot be decoded"),
    ],
)
def test_bad_input_is_one_line(argument, message):
    process = run(argument)
    assert process.returncode == 2
    lines = process.stderr.strip().split("\n")
    assert lines[-1].startswith("error: ") and message in lines[-1]
    assert "Traceback" not in process.stderr

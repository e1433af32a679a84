"""Draws what the input noise does to a photograph, for people to look at.

Writes a PNG: a row for each operation with a column for each magnitude, and
below it rows of random draws of the whole policy.

  python tools/show_noise.py --output=noise.png
  python tools/show_noise.py --image=cat.jpg --side=224 --magnitudes=5,27

--randaug_layer, --cutout_op and --seed are those of the draws. Sides of 64
pixels or less are noised as small images are, larger ones as ImageNet's.
"""

import dataclasses
import pathlib
from collections.abc import Callable

import _checkout  # noqa: F401
import numpy as np
from absl import app
from absl import flags as absl_flags

import flags
from flags import noise as noise_flags
from flags import run as run_flags
from flags.entry import run_planned
from noisy_student.config import NoiseConfig
from noisy_student.files import writing

_OUTPUT = absl_flags.DEFINE_string("output", "noise.png", "The PNG to write.")
_IMAGE = absl_flags.DEFINE_string(
    "image",
    None,
    "JPEG, PNG, BMP or GIF to show; default: a photograph of scikit-learn's.",
)
_SIDE = absl_flags.DEFINE_integer(
    "side", 128, "Side of the image in pixels, cut from its middle."
)
_MAGNITUDES = absl_flags.DEFINE_list(
    "magnitudes",
    ["0", "5", "10", "15", "27", "30"],
    "Columns, each in [0, 30].",
)
_RANDOM_ROWS = absl_flags.DEFINE_integer(
    "random_rows", 4, "Rows of the policy's random draws.", lower_bound=0
)

_LARGEST_SMALL = 64  # side in pixels


def plan() -> Callable[[], None]:
    """Refuses bad flags and paths, and returns the work."""
    config = flags.experiment_config()
    magnitudes = [_magnitude(text) for text in _MAGNITUDES.value]
    if not magnitudes or _SIDE.value < 1:
        raise ValueError("side must be above 0, and magnitudes not empty.")
    output = pathlib.Path(_OUTPUT.value)
    if not output.parent.is_dir():
        raise ValueError(f"output: the directory {output.parent} is missing.")
    if output.is_dir():
        raise ValueError(f"output must be a file; {output} is a directory.")
    image = _read_image(_IMAGE.value, _SIDE.value)

    # Costs seconds to import, which bad flags need not wait for.
    from noisy_student.noise import grid

    def work() -> None:
        layers = _layers(config.noise, magnitudes)
        picture = grid.draw(image, layers, _RANDOM_ROWS.value, config.seed)
        with writing.replacing(output) as temporary:
            picture.save(temporary, "PNG")
        print(output)

    return work


def _layers(config: NoiseConfig, magnitudes: list[float]) -> list:
    """RandAugment as training has it, at each magnitude."""
    from noisy_student.data import views

    small = _SIDE.value <= _LARGEST_SMALL
    image_format = views.ImageFormat(_SIDE.value, small, horizontal_flip=False)
    return [
        views.rand_augment(
            image_format, dataclasses.replace(config, randaug_mag=magnitude)
        )
        for magnitude in magnitudes
    ]


def _magnitude(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 30:
        raise ValueError(f"magnitudes must be in [0, 30]; got {text!r}.")
    return value


def _read_image(path: str | None, side: int) -> np.ndarray:
    import tensorflow as tf

    from noisy_student import noise

    if path is None:
        from sklearn.datasets import load_sample_image

        encoded = tf.io.encode_png(load_sample_image("china.jpg"))
    else:
        encoded = tf.constant(pathlib.Path(path).read_bytes())
    try:
        return noise.central_crop(encoded, side).numpy()
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(
            f"image {path} cannot be decoded; JPEG, PNG, BMP and GIF can."
        ) from error


def main(argv: list[str]) -> None:
    """Reads the flags and runs."""
    run_planned(argv, plan)


if __name__ == "__main__":
    flags.show_in_help(noise_flags, run_flags)
    app.run(main)

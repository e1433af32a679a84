"""Draws what the input noise does to a photograph, for people to look at.

Writes a PNG: a row for each operation with a column for each magnitude, and
below it rows of random draws of the whole policy.

  python tools/show_noise.py --output=noise.png
  python tools/show_noise.py --image=cat.jpg --side=224 --magnitudes=5,27

--randaug_layer, --cutout_op and --seed are those of the draws. Sides of 64
pixels or less are noised as small images are, larger ones as ImageNet's.
"""

import dataclasses

import _script
import numpy as np

import flags
from noisy_student.config import ExperimentConfig, NoiseConfig
from noisy_student.config.paths import to_path
from noisy_student.config.tools import NoiseGridSettings
from noisy_student.files import remote, writing

_LARGEST_SMALL = 64  # side in pixels


class ShowNoise:
    """Draws the noise.

    Args:
        config: how RandAugment draws.
        seed: seed of the random draws.
        settings: the image and the picture.
    """

    def __init__(
        self, config: NoiseConfig, seed: int, settings: NoiseGridSettings
    ) -> None:
        self.config, self.seed, self.settings = config, seed, settings

    def validate(self) -> None:
        """Checks the paths and reads the image.

        Raises:
            ValueError: one of them cannot be used.
        """
        output = self.output = to_path(self.settings.output)
        if not remote.can_be_made(output):
            raise ValueError(
                f"output: the directory {output.parent} is missing."
            )
        if output.is_dir():
            raise ValueError(f"output must be a file; {output} is a directory.")
        self.image = _read_image(self.settings.image, self.settings.side)

    def run(self) -> None:
        """Writes the picture and prints its path."""
        from noisy_student.data import noised, views  # slow to import
        from noisy_student.noise import grid

        side, rows = self.settings.side, self.settings.random_rows
        small = side <= _LARGEST_SMALL
        image_format = views.ImageFormat(side, small, horizontal_flip=False)
        layers = [
            noised.rand_augment(
                image_format, dataclasses.replace(self.config, randaug_mag=each)
            )
            for each in self.settings.magnitudes
        ]
        picture = grid.draw(self.image, layers, rows, self.seed)
        with writing.replacing(self.output) as temporary:
            picture.save(temporary, "PNG")
        print(self.output)


def _read_image(path: str | None, side: int) -> np.ndarray:
    import tensorflow as tf

    from noisy_student import noise

    if path is None:
        from sklearn.datasets import load_sample_image

        encoded = tf.io.encode_png(load_sample_image("china.jpg"))
    else:
        encoded = tf.constant(to_path(path).read_bytes())
    try:
        return noise.central_crop(encoded, side).numpy()
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(
            f"image {path} cannot be decoded; JPEG, PNG, BMP and GIF can."
        ) from error


def make_stage() -> ShowNoise:
    """The picture that the flags ask for."""
    config = flags.experiment_config()
    settings = flags.read(NoiseGridSettings)
    return ShowNoise(config.noise, config.seed, settings)


if __name__ == "__main__":
    _script.run(make_stage, NoiseGridSettings, NoiseConfig, ExperimentConfig)

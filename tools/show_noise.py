"""Draws what the input noise does to a photograph, for people to look at.

Writes a PNG: a row for each operation with a column for each magnitude, and
below it rows of random draws of the whole policy.

  python tools/show_noise.py --output=noise.png
  python tools/show_noise.py --image=cat.jpg --side=224 --magnitudes=5,27

--randaug_layer and --seed are those of the draws.
"""

import pathlib
import sys
from collections.abc import Callable

import numpy as np
from absl import app
from absl import flags as absl_flags
from PIL import Image, ImageDraw

# Run by its path, so that the tree above must be put on Python's.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import flags
from flags.entry import run_planned

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

_LABEL_WIDTH, _LINE, _GAP = 96, 16, 2  # pixels


def grid(
    image: np.ndarray,
    magnitudes: list[float],
    random_rows: int,
    num_layers: int,
    seed: int,
) -> Image.Image:
    """Draws all operations and some random draws of the policy.

    Args:
        image: uint8 (side, side, 3).
        magnitudes: of the columns.
        random_rows: rows of random draws.
        num_layers: operations of each draw.
        seed: of the draws.
    """
    from noisy_student import noise

    limits = _limits(len(image))
    rows = [
        (
            name,
            [
                noise.apply_op(name, image, magnitude, 1, None, *limits).numpy()
                for magnitude in magnitudes
            ],
        )
        for name in noise.OP_NAMES
    ]
    drawn = [
        noise.RandAugment(num_layers, magnitude, *limits)(
            np.stack([image] * random_rows), seed=[seed, column]
        ).numpy()
        for column, magnitude in enumerate(magnitudes)
        if random_rows
    ]
    rows += [
        (f"random {row + 1}", [images[row] for images in drawn])
        for row in range(random_rows)
    ]
    return _paint(rows, [f"{magnitude:g}" for magnitude in magnitudes])


def _limits(side: int) -> tuple[float, float]:
    """Shift and half cut-out at magnitude 10 that fit the image.

    The paper's 100 and 40 pixels at 224, an eighth of the side of small ones.
    """
    if side <= 64:
        return side / 8, side / 8
    return 100 * side / 224, 40 * side / 224


def _paint(
    rows: list[tuple[str, list[np.ndarray]]], titles: list[str]
) -> Image.Image:
    """Images in rows and columns with their names."""
    side = len(rows[0][1][0])
    cell = side + _GAP
    size = (_LABEL_WIDTH + cell * len(titles), _LINE + cell * len(rows))
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    for column, title in enumerate(titles):
        place = (_LABEL_WIDTH + column * cell + side // 2, _LINE // 2)
        draw.text(place, title, fill="black", anchor="mm")
    for row, (name, images) in enumerate(rows):
        top = _LINE + row * cell
        draw.text((4, top + side // 2), name, fill="black", anchor="lm")
        for column, image in enumerate(images):
            left = _LABEL_WIDTH + column * cell
            picture.paste(Image.fromarray(image), (left, top))
    return picture


def plan() -> Callable[[], None]:
    """Refuses bad flags and paths, and returns the work."""
    config = flags.experiment_config()
    magnitudes = [_magnitude(text) for text in _MAGNITUDES.value]
    if not magnitudes or _SIDE.value < 1:
        raise ValueError("side must be above 0, and magnitudes not empty.")
    output = pathlib.Path(_OUTPUT.value)
    if not output.parent.is_dir():
        raise ValueError(f"output: the directory {output.parent} is missing.")
    image = _read_image(_IMAGE.value, _SIDE.value)

    def work() -> None:
        picture = grid(
            image,
            magnitudes,
            _RANDOM_ROWS.value,
            config.noise.randaug_layer,
            config.seed,
        )
        temporary = output.with_name(f"tmp.{output.name}")
        picture.save(temporary, "PNG")
        temporary.replace(output)
        print(output)

    return work


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
    app.run(main)

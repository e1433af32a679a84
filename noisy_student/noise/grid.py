"""A picture of what RandAugment does, for people to look at."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from noisy_student.noise.policy import OP_NAMES, Policy, apply_op
from noisy_student.noise.rand_augment import RandAugment

_LABEL_WIDTH, _LINE, _GAP = 96, 16, 2  # pixels


def draw(
    image: np.ndarray,
    layers: Sequence[RandAugment],
    random_rows: int,
    seed: int,
) -> Image.Image:
    """Draws one row per operation, and rows of random draws below.

    Args:
      image: uint8 (side, side, 3).
      layers: One column each, with its magnitude as the title.
      random_rows: The number of rows of random draws.
      seed: The seed of the draws.

    Returns:
      The RGB picture.
    """
    rows = [
        (name, [_apply(name, image, layer.policy) for layer in layers])
        for name in OP_NAMES
    ]
    drawn = [
        layer(np.stack([image] * random_rows), seed=[seed, column]).numpy()
        for column, layer in enumerate(layers)
        if random_rows
    ]
    rows += [
        (f"random {row + 1}", [images[row] for images in drawn])
        for row in range(random_rows)
    ]
    return _paint(rows, [f"{layer.policy.magnitude:g}" for layer in layers])


def _apply(name: str, image: np.ndarray, policy: Policy) -> np.ndarray:
    return apply_op(
        name,
        image,
        policy.magnitude,
        translate_limit=policy.translate_limit,
        cutout_limit=policy.cutout_limit,
    ).numpy()


def _paint(
    rows: list[tuple[str, list[np.ndarray]]], titles: list[str]
) -> Image.Image:
    """Arranges images in rows and columns with their names."""
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

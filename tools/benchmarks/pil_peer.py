"""RandAugment in PIL at one strength: a peer in speed.

Every operation is set up once, so that only PIL's own work is timed. A test
shows that the operations are the ones of `noise.apply_op`.
"""

import multiprocessing
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from noisy_student.noise import OP_NAMES

_GREY = (128, 128, 128)

# A function of an RGB image, a sign and a centre (row, column).
Operation = Callable[[Image.Image, int, tuple[int, int]], Image.Image]


def operations(
    magnitude: float, translate_limit: float, cutout_limit: float
) -> dict[str, Operation]:
    """Returns the operations by name; arguments of `noise.RandAugment`."""
    share = magnitude / 10
    shift, slope = translate_limit * share, 0.3 * share
    half, turn, addition = int(cutout_limit * share), 30 * share, 110 * share
    mask = 256 - 2 ** (8 - min(8, int(4 * share)))

    def enhance(enhancer: Callable) -> Operation:
        factor = 1.8 * share + 0.1
        return lambda image, sign, centre: enhancer(image).enhance(factor)

    def look_up(level: Callable[[int], int]) -> Operation:
        table = [level(i) for i in range(256)] * 3
        return lambda image, sign, centre: image.point(table)

    def transform(*matrix: float) -> Operation:
        # PIL maps back: the place of origin is the place plus the move.
        moves = {
            sign: tuple(np.eye(3)[:2].ravel() + np.multiply(sign, matrix))
            for sign in (1, -1)
        }
        affine, nearest = Image.Transform.AFFINE, Image.Resampling.NEAREST
        return lambda image, sign, centre: image.transform(
            image.size, affine, moves[sign], nearest, fillcolor=_GREY
        )

    def cutout(image: Image.Image, sign: int, centre: tuple[int, int]):
        row, column = centre
        holed = image.copy()
        box = (column - half, row - half, column + half, row + half)
        holed.paste(_GREY, box)
        return holed

    return {
        "AutoContrast": lambda image, *_: ImageOps.autocontrast(image),
        "Equalize": lambda image, *_: ImageOps.equalize(image),
        "Invert": lambda image, *_: ImageOps.invert(image),
        "Rotate": lambda image, sign, _: image.rotate(
            sign * turn, fillcolor=_GREY
        ),
        "Posterize": look_up(lambda i: i & mask),
        "Solarize": look_up(lambda i: i if i < int(256 * share) else 255 - i),
        "SolarizeAdd": look_up(
            lambda i: min(i + int(addition), 255) if i < 128 else i
        ),
        "Color": enhance(ImageEnhance.Color),
        "Contrast": enhance(ImageEnhance.Contrast),
        "Brightness": enhance(ImageEnhance.Brightness),
        "Sharpness": enhance(ImageEnhance.Sharpness),
        "ShearX": transform(0, slope, 0, 0, 0, 0),
        "ShearY": transform(0, 0, 0, slope, 0, 0),
        "TranslateX": transform(0, 0, shift, 0, 0, 0),
        "TranslateY": transform(0, 0, 0, 0, 0, shift),
        "Cutout": cutout,
    }


def rand_augment(
    seed: int,
    images: np.ndarray,
    num_layers: int,
    apply: Sequence[Operation],
) -> np.ndarray:
    """Applies random operations to uint8 (batch, height, width, 3)."""
    generator = np.random.default_rng(seed)
    # All at once: single draws would cost as much as an operation.
    limits = [len(apply), 2, *images.shape[1:3]]
    draws = generator.integers(0, limits, (len(images), num_layers, 4)).tolist()
    results = []
    for array, layers in zip(images, draws, strict=True):
        image = Image.fromarray(array)
        for operation, sign, row, column in layers:
            image = apply[operation](image, 2 * sign - 1, (row, column))
        results.append(np.asarray(image))
    return np.stack(results)


class Pool:
    """Processes that augment the batch they were given.

    Args:
        processes: their number.
        images: uint8 (batch, height, width, 3).
        num_layers: operations per image.
        levels: arguments of `operations`.
    """

    def __init__(
        self, processes: int, images: np.ndarray, num_layers: int, *levels
    ) -> None:
        context = multiprocessing.get_context("spawn")
        arguments = (images, num_layers, levels)
        self._pool = context.Pool(processes, _keep, arguments)

    def run(self, num_batches: int) -> None:
        """Augments so many batches, each in one of the processes."""
        for _ in self._pool.imap_unordered(_augment_kept, range(num_batches)):
            pass


_kept: list = []


def _keep(images: np.ndarray, num_layers: int, levels: tuple) -> None:
    by_name = operations(*levels)
    _kept[:] = images, num_layers, [by_name[name] for name in OP_NAMES]


def _augment_kept(seed: int) -> int:
    # Counted, not sent back: passing images between processes is not the
    # operations' cost.
    return len(rand_augment(seed, *_kept))

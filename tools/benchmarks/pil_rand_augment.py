"""RandAugment in PIL: the truth of the tests and a peer in speed."""

import multiprocessing
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from noisy_student.noise import OP_NAMES

_GREY = (128, 128, 128)


def apply_op(
    name: str,
    image: Image.Image,
    magnitude: float,
    sign: int = 1,
    centre: tuple[int, int] = (0, 0),
    translate_limit: float = 100.0,
    cutout_limit: float = 40.0,
) -> Image.Image:
    """What PIL makes of an RGB image; arguments of `noise.apply_op`."""
    share = magnitude / 10
    factor = 1.8 * share + 0.1
    shift, slope = sign * translate_limit * share, sign * 0.3 * share
    operations: dict[str, Callable[[], Image.Image]] = {
        "AutoContrast": lambda: ImageOps.autocontrast(image),
        "Equalize": lambda: ImageOps.equalize(image),
        "Invert": lambda: ImageOps.invert(image),
        "Rotate": lambda: image.rotate(sign * 30 * share, fillcolor=_GREY),
        "Posterize": lambda: _posterize(image, int(4 * share)),
        "Solarize": lambda: ImageOps.solarize(image, int(256 * share)),
        "SolarizeAdd": lambda: _solarize_add(image, int(110 * share)),
        "Color": lambda: ImageEnhance.Color(image).enhance(factor),
        "Contrast": lambda: ImageEnhance.Contrast(image).enhance(factor),
        "Brightness": lambda: ImageEnhance.Brightness(image).enhance(factor),
        "Sharpness": lambda: ImageEnhance.Sharpness(image).enhance(factor),
        "ShearX": lambda: _transform(image, (1, slope, 0, 0, 1, 0)),
        "ShearY": lambda: _transform(image, (1, 0, 0, slope, 1, 0)),
        "TranslateX": lambda: _transform(image, (1, 0, shift, 0, 1, 0)),
        "TranslateY": lambda: _transform(image, (1, 0, 0, 0, 1, shift)),
        "Cutout": lambda: _cutout(image, centre, int(cutout_limit * share)),
    }
    return operations[name]()


def _solarize_add(image: Image.Image, addition: int) -> Image.Image:
    return image.point(
        [min(i + addition, 255) if i < 128 else i for i in range(256)] * 3
    )


def _posterize(image: Image.Image, bits: int) -> Image.Image:
    if bits == 0:  # PIL refuses it since version 13; its mask was 0 before
        return Image.new("RGB", image.size)
    return ImageOps.posterize(image, min(8, bits))


def _transform(image: Image.Image, matrix: tuple) -> Image.Image:
    return image.transform(
        image.size,
        Image.Transform.AFFINE,
        matrix,
        Image.Resampling.NEAREST,
        fillcolor=_GREY,
    )


def _cutout(
    image: Image.Image, centre: tuple[int, int], half_side: int
) -> Image.Image:
    row, column = centre
    holed = image.copy()
    holed.paste(
        _GREY,
        (
            column - half_side,
            row - half_side,
            column + half_side,
            row + half_side,
        ),
    )
    return holed


def rand_augment(
    seed: int,
    images: np.ndarray,
    num_layers: int,
    magnitude: float,
    translate_limit: float,
    cutout_limit: float,
) -> np.ndarray:
    """The policy on a batch, uint8 (batch, height, width, 3), one by one."""
    generator = np.random.default_rng(seed)
    # All at once: a draw of its own would cost as much as an operation.
    limits = [len(OP_NAMES), 2, *images.shape[1:3]]
    draws = generator.integers(0, limits, (len(images), num_layers, 4)).tolist()
    results = []
    for array, layers in zip(images, draws, strict=True):
        image = Image.fromarray(array)
        for operation, sign, row, column in layers:
            image = apply_op(
                OP_NAMES[operation],
                image,
                magnitude,
                2 * sign - 1,
                (row, column),
                translate_limit,
                cutout_limit,
            )
        results.append(np.asarray(image))
    return np.stack(results)


class Pool:
    """Processes that augment the batch they were given."""

    def __init__(self, processes: int, *arguments) -> None:
        """Starts them; `arguments` are those of `rand_augment`, less seed."""
        context = multiprocessing.get_context("spawn")
        self.pool = context.Pool(processes, _keep, arguments)

    def run(self, num_batches: int) -> None:
        """Augments so many batches, each in one of the processes."""
        for _ in self.pool.imap_unordered(_augment_kept, range(num_batches)):
            pass


_kept: list = []


def _keep(*arguments) -> None:
    _kept[:] = arguments


def _augment_kept(seed: int) -> int:
    # Counted, not sent back: passing images between processes is not the
    # operations' cost.
    return len(rand_augment(seed, *_kept))

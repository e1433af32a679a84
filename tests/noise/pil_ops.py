"""RandAugment's operations in PIL, the truth of ours."""

from collections.abc import Callable

from PIL import Image, ImageEnhance, ImageOps

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

"""RandAugment's policy (Cubuk et al., arXiv 1909.13719): random operations.

A `Policy` draws operations, signs and cut-out centres for each image from the
image's own seed; `programs` applies them. `image_ops` and `geometry` hold the
operations; `apply_op` applies one by its name.
"""

import dataclasses
import functools
import numbers
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from noisy_student.noise import geometry, image_ops

# In the order of the indices that `Policy.draw` returns.
OP_NAMES = (
    "AutoContrast",
    "Equalize",
    "Invert",
    "Rotate",
    "Posterize",
    "Solarize",
    "SolarizeAdd",
    "Color",
    "Contrast",
    "Brightness",
    "Sharpness",
    "ShearX",
    "ShearY",
    "TranslateX",
    "TranslateY",
    "Cutout",
)
_SIGNS = (-1, 1)
# At magnitude 10, in pixels of photographs (the original's): the shift, and
# half the side of the cut-out square.
TRANSLATE_LIMIT, CUTOUT_LIMIT = 100.0, 40.0


class Draws(NamedTuple):
    """Operations drawn for images; all have the shape (batch, ...).

    Attributes:
      operations: Indices into `Policy.op_names`, int32 (...).
      signs: -1 or 1, int32 (...).
      centres: Row and column of a pixel, int32 (..., 2).
    """

    operations: tf.Tensor
    signs: tf.Tensor
    centres: tf.Tensor


# Of images, uint8 (batch, height, width, 3), and an operation for each.
Operation = Callable[[tf.Tensor, Draws], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Policy:
    """What `RandAugment` does; its attributes are described there."""

    num_layers: int = 2
    magnitude: float = 27
    translate_limit: float = TRANSLATE_LIMIT
    cutout_limit: float = CUTOUT_LIMIT
    use_cutout: bool = True

    def __post_init__(self) -> None:
        layers = self.num_layers
        whole = isinstance(layers, numbers.Integral)
        if not whole or isinstance(layers, bool) or layers < 0:
            raise ValueError(
                f"num_layers must be an integer of at least 0, got {layers!r}"
            )
        magnitude = self.magnitude
        if not isinstance(magnitude, int | float) or not 0 <= magnitude <= 30:
            raise ValueError(
                f"magnitude must be between 0 and 30, got {magnitude!r}"
            )
        for name in ("translate_limit", "cutout_limit"):
            limit = getattr(self, name)
            if not isinstance(limit, int | float) or not limit >= 0:
                raise ValueError(f"{name} must be at least 0, got {limit!r}")

    @property
    def op_names(self) -> tuple[str, ...]:
        """The operations drawn from; `draw` returns indices into them."""
        return OP_NAMES if self.use_cutout else OP_NAMES[:-1]

    def draw(self, seeds: tf.Tensor, size: tf.Tensor) -> Draws:
        """Draws `num_layers` operations for each image.

        Args:
          seeds: One seed per image, int64 (batch, 2).
          size: Height and width of the images, int32 (2,).

        Returns:
          All uniform and independent; shapes begin with (batch, num_layers).
        """

        def draw_bits(seed: tf.Tensor) -> tf.Tensor:
            # Philox gives the same numbers on every device, compiled or not.
            return tf.random.stateless_uniform(
                [self.num_layers, 4], seed, None, None, tf.int32, alg="philox"
            )

        form = tf.TensorSpec([self.num_layers, 4], tf.int32)
        bits = tf.map_fn(draw_bits, seeds, fn_output_signature=form)
        limits = [len(self.op_names), len(_SIGNS), size[0], size[1]]
        draws = tf.math.floormod(bits, tf.stack(limits))
        return Draws(draws[..., 0], 2 * draws[..., 1] - 1, draws[..., 2:])

    def branches(self, images: tf.Tensor) -> tuple[list[Operation], list[int]]:
        """Returns different programs, and which of them each operation is.

        Args:
          images: Of the form that they are for, (batch, height, width, 3).

        Returns:
          Functions of images and their operations, which all have to be its
          own; and for each of `op_names` the place of its function.
        """
        functions = _of_pixels(self)
        names = [name for name in self.op_names if name in functions]
        chosen = [functions[name] for name in names]
        chosen.append(_mover(self, images))
        return chosen, [
            names.index(name) if name in names else len(names)
            for name in self.op_names
        ]


def _level(policy: Policy, full: float) -> float:
    return full * policy.magnitude / 10


def _of_pixels(policy: Policy) -> dict[str, Operation]:
    """Returns the operations that leave pixels where they are, by name."""
    level = functools.partial(_level, policy)

    def plain(op: Callable, *levels: float) -> Operation:
        return lambda images, draws: op(images, *levels)

    def cutout(images: tf.Tensor, draws: Draws) -> tf.Tensor:
        half_side = int(level(policy.cutout_limit))
        return image_ops.cutout(images, draws.centres, half_side)

    factor = level(1.8) + 0.1
    return {
        "AutoContrast": plain(image_ops.autocontrast),
        "Equalize": plain(image_ops.equalize),
        "Invert": plain(image_ops.invert),
        "Posterize": plain(image_ops.posterize, min(8, int(level(4)))),
        "Solarize": plain(image_ops.solarize, min(256, int(level(256)))),
        "SolarizeAdd": plain(image_ops.solarize_add, int(level(110))),
        "Color": plain(image_ops.color, factor),
        "Contrast": plain(image_ops.contrast, factor),
        "Brightness": plain(image_ops.brightness, factor),
        "Sharpness": plain(image_ops.sharpness, factor),
        "Cutout": cutout,
    }


def _mover(policy: Policy, images: tf.Tensor) -> Operation:
    """Returns the operations that move pixels, as one function."""
    size = geometry.size_of(images)
    signed = [_matrices(policy, sign, size) for sign in _SIGNS]
    names = list(signed[0])
    matrices = [found[name] for found in signed for name in names]
    # The same for all images, and therefore computed once.
    sources = geometry.sources(matrices, images)
    place = [names.index(n) if n in names else 0 for n in policy.op_names]

    def move(images: tf.Tensor, draws: Draws) -> tf.Tensor:
        chosen = tf.gather(place, draws.operations)
        chosen += len(names) * ((draws.signs + 1) // 2)
        return geometry.transform(images, tf.gather(sources, chosen))

    return move


def _matrices(
    policy: Policy, sign: int, size: geometry.Size
) -> dict[str, geometry.Matrix]:
    level = functools.partial(_level, policy)
    pixels = sign * level(policy.translate_limit)
    return {
        "Rotate": geometry.rotation(sign * level(30), size),
        "ShearX": geometry.shear_x(sign * level(0.3)),
        "ShearY": geometry.shear_y(sign * level(0.3)),
        "TranslateX": geometry.translation_x(pixels),
        "TranslateY": geometry.translation_y(pixels),
    }


def apply_op(
    name: str,
    image: tf.Tensor,
    magnitude: float,
    sign: tf.Tensor | int = 1,
    centre: tf.Tensor | None = None,
    translate_limit: float = TRANSLATE_LIMIT,
    cutout_limit: float = CUTOUT_LIMIT,
) -> tf.Tensor:
    """Applies one operation to one image.

    Args:
      name: One of `OP_NAMES`.
      image: The RGB image, uint8 (height, width, 3).
      magnitude: The strength in [0, 30], see `RandAugment`.
      sign: The direction of Rotate, ShearX, ShearY, TranslateX and
        TranslateY: 1 or -1, or an int32 tensor ().
      centre: Row and column of Cutout's square, int32 (2,); None is the
        middle of the image.
      translate_limit: The shift at magnitude 10, in pixels.
      cutout_limit: Half the side of the square at magnitude 10, in pixels.

    Returns:
      uint8 (height, width, 3).

    Raises:
      ValueError: The name is unknown, a number is out of range, or the image
        has another dtype or shape.
    """
    if name not in OP_NAMES:
        raise ValueError(f"name must be one of {OP_NAMES}, got {name!r}")
    if isinstance(sign, int) and abs(sign) != 1:
        raise ValueError(f"sign must be 1 or -1, got {sign}")
    image = tf.convert_to_tensor(image)
    if image.dtype != tf.uint8 or image.shape.rank != 3 or image.shape[2] != 3:
        raise ValueError(
            "image must be uint8 of shape (height, width, 3), got "
            f"{image.dtype.name} {image.shape}"
        )
    if centre is None:
        centre = tf.shape(image)[:2] // 2
    drawn = (OP_NAMES.index(name), sign, centre)
    draws = Draws(*(tf.cast([x], tf.int32) for x in drawn))
    policy = Policy(1, magnitude, translate_limit, cutout_limit)
    images, functions = image[tf.newaxis], _of_pixels(policy)
    function = functions.get(name) or _mover(policy, images)
    return function(images, draws)[0]

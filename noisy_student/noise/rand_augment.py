"""RandAugment (Cubuk et al., arXiv 1909.13719): random operations per image.

`RandAugment` draws operations, signs and cut-out centres from a seed, all at
once and without state, and hands them to a compiled program that applies them
image by image. What an operation does is in `image_ops`; `apply_op` applies a
single one by its name.
"""

import dataclasses
import functools
from collections.abc import Callable

import tensorflow as tf

from noisy_student.noise import image_ops

OP_NAMES: tuple[str, ...] = (
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


@dataclasses.dataclass(frozen=True)
class RandAugment:
    """A policy: `num_layers` operations in a row on each image.

    Each operation is drawn uniformly, with replacement, from `OP_NAMES`.
    All work at one magnitude; more is stronger for most of them. Posterize
    and Solarize are weaker the larger it is, and from 20 and 10 on leave the
    image as it is: the numbers of bits and the threshold asked for are then
    above 8 and 256, and are clamped to those. (Without clamping, they wrap
    in 8 bits to other values than were asked for.) At magnitude 5 the
    factors of Color, Contrast, Brightness and Sharpness are 1, which changes
    nothing.

    Attributes:
      num_layers: operations per image, at least 0.
      magnitude: strength from 0 to 30; 10 is each operation's full range.
      translate_limit: shift at magnitude 10, in pixels. Small images: an
        eighth of the side.
      cutout_limit: half the side of the cut-out square at magnitude 10, in
        pixels. Small images: an eighth of the side.
      use_cutout: False leaves Cutout out of the draw.
    """

    num_layers: int = 2
    magnitude: float = 27
    translate_limit: float = 100.0
    cutout_limit: float = 40.0
    use_cutout: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.num_layers, int) or self.num_layers < 0:
            raise ValueError(
                "num_layers must be an integer of at least 0, "
                f"got {self.num_layers!r}"
            )
        _check_magnitude(self.magnitude)
        for name in ("translate_limit", "cutout_limit"):
            if not getattr(self, name) >= 0:
                raise ValueError(
                    f"{name} must be at least 0, got {getattr(self, name)!r}"
                )

    @property
    def op_names(self) -> tuple[str, ...]:
        """The operations drawn from; `draw` returns indices into them."""
        return OP_NAMES if self.use_cutout else OP_NAMES[:-1]

    def __call__(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns the images with noise, uint8 (batch, height, width, 3).

        The same seed gives the same result, eagerly as well as in a
        `tf.data` map. The program is compiled by XLA once per policy and
        image shape (batch included), at run time: dimensions unknown when
        the graph is built are allowed, but every new size costs seconds.

        Args:
          images: uint8 (batch, height, width, 3), RGB, 0 to 255; the batch
            must not be empty.
          seed: int32 or int64 (2,).

        Raises:
          ValueError: the images are not uint8 or not of rank 4.
        """
        images = tf.convert_to_tensor(images)
        if images.dtype != tf.uint8 or images.shape.rank != 4:
            raise ValueError(
                "images must be uint8 of shape (batch, height, width, 3), "
                f"got {images.dtype.name} {images.shape}"
            )
        if self.num_layers == 0:
            return images
        return _program(self)(images, *self.draw(tf.shape(images), seed))

    def draw(
        self, shape: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Draws what is to be done to each image.

        Args:
          shape: int32 (4,), the shape of the images.
          seed: int32 or int64 (2,).

        Returns:
          int32 operations (batch, num_layers), indices into `op_names`;
          int32 signs (batch, num_layers), -1 or 1, equally probable;
          int32 centres (batch, num_layers, 2), row and column of a pixel.
        """
        # Splitting keeps the type, and other types give other numbers.
        seed = tf.cast(seed, tf.int64)
        seeds = tf.random.experimental.stateless_split(seed, 4)
        per_layer = tf.stack([shape[0], self.num_layers])
        uniform = functools.partial(
            tf.random.stateless_uniform, minval=0, dtype=tf.int32
        )
        operations = uniform(per_layer, seeds[0], maxval=len(self.op_names))
        signs = 2 * uniform(per_layer, seeds[1], maxval=2) - 1
        rows = uniform(per_layer, seeds[2], maxval=shape[1])
        columns = uniform(per_layer, seeds[3], maxval=shape[2])
        return operations, signs, tf.stack([rows, columns], axis=-1)


def apply_op(
    name: str,
    image: tf.Tensor,
    magnitude: float,
    sign: tf.Tensor | int = 1,
    centre: tf.Tensor | None = None,
    translate_limit: float = 100.0,
    cutout_limit: float = 40.0,
) -> tf.Tensor:
    """Applies one operation to one image, uint8 (height, width, 3).

    Args:
      name: one of `OP_NAMES`.
      image: uint8 (height, width, 3), RGB.
      magnitude: strength from 0 to 30, see `RandAugment`.
      sign: 1 or -1, for Rotate, ShearX, ShearY, TranslateX and TranslateY.
      centre: int32 (2,), row and column, for Cutout; None: the middle.
      translate_limit: shift in pixels at magnitude 10.
      cutout_limit: half the side of the square in pixels at magnitude 10.

    Raises:
      ValueError: the name is unknown or the magnitude out of range.
    """
    if name not in OP_NAMES:
        raise ValueError(f"name must be one of {OP_NAMES}, got {name!r}")
    _check_magnitude(magnitude)
    image = tf.convert_to_tensor(image)
    if centre is None:
        centre = tf.shape(image)[:2] // 2
    operation = _operations(magnitude, translate_limit, cutout_limit)[name]
    return operation(image, sign, centre)


def _check_magnitude(magnitude: float) -> None:
    if not 0 <= magnitude <= 30:
        raise ValueError(
            f"magnitude must be between 0 and 30, got {magnitude!r}"
        )


_Operation = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]


def _operations(
    magnitude: float, translate_limit: float, cutout_limit: float
) -> dict[str, _Operation]:
    """Maps each name to a function of image, sign and centre."""

    def level(full: float) -> float:
        return full * magnitude / 10

    factor = level(1.8) + 0.1
    shift = level(translate_limit)
    unsigned = {
        "AutoContrast": image_ops.autocontrast,
        "Equalize": image_ops.equalize,
        "Invert": image_ops.invert,
        "Posterize": _with(image_ops.posterize, min(8, int(level(4)))),
        "Solarize": _with(image_ops.solarize, min(256, int(level(256)))),
        "SolarizeAdd": _with(image_ops.solarize_add, int(level(110))),
        "Color": _with(image_ops.color, factor),
        "Contrast": _with(image_ops.contrast, factor),
        "Brightness": _with(image_ops.brightness, factor),
        "Sharpness": _with(image_ops.sharpness, factor),
    }
    signed = {
        "Rotate": _with(image_ops.rotate, level(30)),
        "ShearX": _with(image_ops.shear_x, level(0.3)),
        "ShearY": _with(image_ops.shear_y, level(0.3)),
        "TranslateX": _with(image_ops.translate_x, shift),
        "TranslateY": _with(image_ops.translate_y, shift),
    }
    half_side = int(level(cutout_limit))
    return {
        **{name: _drop_sign(op) for name, op in unsigned.items()},
        **{name: _drop_centre(op) for name, op in signed.items()},
        "Cutout": lambda image, sign, centre: image_ops.cutout(
            image, centre, half_side
        ),
    }


def _with(op: Callable, level: float) -> Callable:
    return lambda image, *sign: op(image, level, *sign)


def _drop_sign(op: Callable) -> _Operation:
    return lambda image, sign, centre: op(image)


def _drop_centre(op: Callable) -> _Operation:
    return lambda image, sign, centre: op(image, sign)


@functools.cache
def _program(policy: RandAugment) -> Callable:
    """Returns the policy's compiled function of the images and the draws."""
    return tf.function(
        functools.partial(_augment, policy),
        jit_compile=True,
        autograph=False,
    )


def _augment(
    policy: RandAugment,
    images: tf.Tensor,
    operations: tf.Tensor,
    signs: tf.Tensor,
    centres: tf.Tensor,
) -> tf.Tensor:
    """Applies what was drawn, image by image."""
    by_name = _operations(
        policy.magnitude, policy.translate_limit, policy.cutout_limit
    )
    branches = [by_name[name] for name in policy.op_names]

    def one_layer(image: tf.Tensor, layer: tuple) -> tf.Tensor:
        operation, sign, centre = layer
        return tf.switch_case(
            operation,
            [
                functools.partial(branch, image, sign, centre)
                for branch in branches
            ],
        )

    # Layers are a loop too: unrolled, every branch is compiled once a layer.
    return tf.map_fn(
        lambda each: tf.foldl(one_layer, each[1:], initializer=each[0]),
        (images, operations, signs, centres),
        fn_output_signature=tf.TensorSpec(images.shape[1:], tf.uint8),
    )

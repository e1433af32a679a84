"""RandAugment's policy (Cubuk et al., arXiv 1909.13719): random operations.

A `Policy` draws operations, signs and cut-out centres for each image from the
image's own seed, and applies them in a program compiled by XLA. `image_ops`
and `geometry` hold the operations; `apply_op` applies one by its name.
"""

import dataclasses
import functools
import numbers
from collections.abc import Callable

import tensorflow as tf

from noisy_student.noise import geometry, image_ops

_CUTOUT = "Cutout"

_Operation = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]


def _operations(
    magnitude: float, translate_limit: float, cutout_limit: float
) -> dict[str, _Operation]:
    """Maps each name to a function of image, sign and centre."""

    def level(full: float) -> float:
        return full * magnitude / 10

    def unsigned(op: Callable, *levels: float) -> _Operation:
        return lambda image, sign, centre: op(image, *levels)

    def signed(op: Callable, full: float) -> _Operation:
        return lambda image, sign, centre: op(image, level(full), sign)

    def cutout(image, sign, centre) -> tf.Tensor:
        return image_ops.cutout(image, centre, int(level(cutout_limit)))

    factor = level(1.8) + 0.1
    return {
        "AutoContrast": unsigned(image_ops.autocontrast),
        "Equalize": unsigned(image_ops.equalize),
        "Invert": unsigned(image_ops.invert),
        "Rotate": signed(geometry.rotate, 30),
        "Posterize": unsigned(image_ops.posterize, min(8, int(level(4)))),
        "Solarize": unsigned(image_ops.solarize, min(256, int(level(256)))),
        "SolarizeAdd": unsigned(image_ops.solarize_add, int(level(110))),
        "Color": unsigned(image_ops.color, factor),
        "Contrast": unsigned(image_ops.contrast, factor),
        "Brightness": unsigned(image_ops.brightness, factor),
        "Sharpness": unsigned(image_ops.sharpness, factor),
        "ShearX": signed(geometry.shear_x, 0.3),
        "ShearY": signed(geometry.shear_y, 0.3),
        "TranslateX": signed(geometry.translate_x, translate_limit),
        "TranslateY": signed(geometry.translate_y, translate_limit),
        _CUTOUT: cutout,
    }


# In the order of the indices that `Policy.draw` returns.
OP_NAMES = tuple(_operations(0, 0, 0))


@dataclasses.dataclass(frozen=True)
class Policy:
    """What `RandAugment` does; its attributes are described there."""

    num_layers: int = 2
    magnitude: float = 27
    translate_limit: float = 100.0
    cutout_limit: float = 40.0
    use_cutout: bool = True

    def __post_init__(self) -> None:
        layers = self.num_layers
        whole = isinstance(layers, numbers.Integral)
        if not whole or isinstance(layers, bool) or layers < 0:
            raise ValueError(
                f"num_layers must be an integer of at least 0, got {layers!r}"
            )
        _check_magnitude(self.magnitude)
        for name in ("translate_limit", "cutout_limit"):
            limit = getattr(self, name)
            if not isinstance(limit, int | float) or not limit >= 0:
                raise ValueError(f"{name} must be at least 0, got {limit!r}")

    @property
    def op_names(self) -> tuple[str, ...]:
        """The operations drawn from; `draw` returns indices into them."""
        return tuple(n for n in OP_NAMES if self.use_cutout or n != _CUTOUT)

    def __call__(self, images: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
        """Applies to each image the operations drawn from its seed.

        XLA compiles the program at run time, once per policy and image shape
        (batch included). Dimensions may be unknown when the graph is built,
        but every new size costs seconds.

        Args:
          images: RGB images, uint8 (batch, height, width, 3).
          seeds: One seed per image, int64 (batch, 2).

        Returns:
          uint8 (batch, height, width, 3).
        """
        if self.num_layers == 0:
            return images
        return _program(self)(images, seeds)

    def draw(
        self, seed: tf.Tensor, shape: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Draws the operations for one image.

        Args:
          seed: The image's seed, int64 (2,).
          shape: Height, width and channels, int32 (3,).

        Returns:
          The operations, int32 (num_layers,), as indices into `op_names`; the
          signs, int32 (num_layers,), -1 or 1 with equal probability; the
          centres, int32 (num_layers, 2), row and column of a pixel.
        """
        # Philox gives the same numbers on every device, compiled or not.
        bits = tf.random.stateless_uniform(
            [self.num_layers, 4], seed, None, None, tf.int32, alg="philox"
        )
        limits = [len(self.op_names), 2, shape[0], shape[1]]
        draws = tf.math.floormod(bits, tf.stack(limits))
        return draws[:, 0], 2 * draws[:, 1] - 1, draws[:, 2:]


def apply_op(
    name: str,
    image: tf.Tensor,
    magnitude: float,
    sign: tf.Tensor | int = 1,
    centre: tf.Tensor | None = None,
    translate_limit: float = 100.0,
    cutout_limit: float = 40.0,
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
      ValueError: The name is unknown, the magnitude or sign is out of range,
        or the image has another dtype or shape.
    """
    if name not in OP_NAMES:
        raise ValueError(f"name must be one of {OP_NAMES}, got {name!r}")
    _check_magnitude(magnitude)
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
    operation = _operations(magnitude, translate_limit, cutout_limit)[name]
    return operation(image, sign, centre)


def _check_magnitude(magnitude: float) -> None:
    if not isinstance(magnitude, int | float) or not 0 <= magnitude <= 30:
        raise ValueError(
            f"magnitude must be between 0 and 30, got {magnitude!r}"
        )


@functools.cache
def _program(policy: Policy) -> Callable:
    """Returns the policy's compiled function of images and seeds."""
    by_name = _operations(
        policy.magnitude, policy.translate_limit, policy.cutout_limit
    )
    branches = [by_name[name] for name in policy.op_names]

    def one_layer(image: tf.Tensor, layer: tuple) -> tf.Tensor:
        operation, *drawn = layer
        applied = [functools.partial(op, image, *drawn) for op in branches]
        return tf.switch_case(operation, applied)

    def one_image(inputs: tuple) -> tf.Tensor:
        image, seed = inputs
        # Layers are a loop too: unrolled, every branch would be compiled once
        # per layer.
        draws = policy.draw(seed, tf.shape(image))
        return tf.foldl(one_layer, draws, initializer=image)

    @tf.function(jit_compile=True, autograph=False)
    def augment(images: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
        form = tf.TensorSpec(images.shape[1:], tf.uint8)
        return tf.map_fn(one_image, (images, seeds), fn_output_signature=form)

    return augment

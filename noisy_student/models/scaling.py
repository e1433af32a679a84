"""Compound scaling: the table of models, and the stages of each.

`efficientnet.py` builds the networks. Sources: EfficientNet (arXiv 1905.11946,
section 3.3 and table 1), Noisy Student (arXiv 1911.04252, appendix A.2, for
L0, L1 and L2) and, for Lite, TensorFlow's models for TPUs
(official/efficientnet/lite).
"""

import dataclasses
import math

from noisy_student.config import ModelConfig

_FILTER_MULTIPLE = 8


@dataclasses.dataclass(frozen=True)
class Scaling:
    """How a model of the family differs from B0.

    Attributes:
        width: factor on the number of filters, above 0.
        depth: factor on the number of blocks of a stage, above 0.
        resolution: side of the training images, in pixels.
        dropout_rate: dropout before the classifier, in [0, 1).
        lite: whether it is an EfficientNet-Lite, for phones: ReLU6 in place of
            swish, no squeeze-and-excitation; width does not change stem and
            head, nor depth the first and the last stage.
    """

    width: float
    depth: float
    resolution: int
    dropout_rate: float
    lite: bool = False

    @property
    def size(self) -> float:
        """width^2 * depth, which orders models by size.

        Multiply-adds and parameters of a convolutional network grow with the
        square of its width and in proportion to its depth (EfficientNet,
        equation 3).
        """
        return self.width**2 * self.depth


@dataclasses.dataclass(frozen=True)
class Stage:
    """A sequence of equal blocks; only the first has the stride."""

    repeats: int
    kernel_size: int
    stride: int
    expansion: int
    output_filters: int


MODELS: dict[str, Scaling] = {
    "efficientnet-b0": Scaling(1.0, 1.0, 224, 0.2),
    "efficientnet-b1": Scaling(1.0, 1.1, 240, 0.2),
    "efficientnet-b2": Scaling(1.1, 1.2, 260, 0.3),
    "efficientnet-b3": Scaling(1.2, 1.4, 300, 0.3),
    "efficientnet-b4": Scaling(1.4, 1.8, 380, 0.4),
    "efficientnet-b5": Scaling(1.6, 2.2, 456, 0.4),
    "efficientnet-b6": Scaling(1.8, 2.6, 528, 0.5),
    "efficientnet-b7": Scaling(2.0, 3.1, 600, 0.5),
    "efficientnet-l0": Scaling(2.8, 3.7, 380, 0.5),
    "efficientnet-l1": Scaling(3.9, 3.7, 380, 0.5),
    "efficientnet-l2": Scaling(4.3, 5.3, 800, 0.5),
    "efficientnet-lite0": Scaling(1.0, 1.0, 224, 0.2, lite=True),
    "efficientnet-lite1": Scaling(1.0, 1.1, 240, 0.2, lite=True),
    "efficientnet-lite2": Scaling(1.1, 1.2, 260, 0.3, lite=True),
    "efficientnet-lite3": Scaling(1.2, 1.4, 280, 0.3, lite=True),
    "efficientnet-lite4": Scaling(1.4, 1.8, 300, 0.3, lite=True),
}
# Lite models take (x - 127) / 128, whatever the task's statistics are.
_LITE_MEAN = (127 / 255,) * 3
_LITE_STD = (128 / 255,) * 3

STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
STEM_FILTERS = 32
STEM_STRIDE = 2
HEAD_FILTERS = 1280

# In the variant for 32x32 images the second and the third stage have no stride;
# the stem still halves the resolution.
_SMALL_IMAGE_STAGES_AT_STRIDE_1 = (1, 2)


def get_scaling(config: ModelConfig) -> Scaling:
    """Returns the scaling of a model, with the overrides of its settings.

    Raises:
        ValueError: the name is not one of `MODELS`.
    """
    name, dropout_rate = config.model_name, config.dropout_rate
    if name not in MODELS:
        raise ValueError(
            f"Unknown model_name {name!r}; known are {', '.join(MODELS)}."
        )
    own = MODELS[name]
    return Scaling(
        config.width_coefficient or own.width,
        config.depth_coefficient or own.depth,
        config.input_image_size or own.resolution,
        own.dropout_rate if dropout_rate is None else dropout_rate,
        own.lite,
    )


def normalization(
    config: ModelConfig,
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns mean and deviation of the RGB values that a model takes.

    They are in [0, 1], and those of the settings, but for Lite models.

    Raises:
        ValueError: see `get_scaling`.
    """
    if get_scaling(config).lite:
        return _LITE_MEAN, _LITE_STD
    return config.mean, config.std


def scale_filters(filters: int, width: float) -> int:
    """Rounds filters * width to a multiple of 8, at most 10 % below it."""
    scaled = filters * width
    multiples = max(1, int(scaled + _FILTER_MULTIPLE / 2) // _FILTER_MULTIPLE)
    if multiples * _FILTER_MULTIPLE < 0.9 * scaled:
        multiples += 1
    return multiples * _FILTER_MULTIPLE


def scale_stages(
    width: float, depth: float, small_image: bool = False, lite: bool = False
) -> list[Stage]:
    """Returns the stages of a model.

    Args:
        width: factor on the number of filters, above 0.
        depth: factor on the number of blocks, above 0; repeats are rounded up.
        small_image: whether to return the variant for 32x32 images.
        lite: whether to repeat the first and the last stage as in B0.
    """
    stages = []
    for i, stage in enumerate(STAGES):
        keep = small_image and i in _SMALL_IMAGE_STAGES_AT_STRIDE_1
        fixed = lite and i in (0, len(STAGES) - 1)
        stages.append(
            dataclasses.replace(
                stage,
                repeats=math.ceil(stage.repeats * (1 if fixed else depth)),
                stride=1 if keep else stage.stride,
                output_filters=scale_filters(stage.output_filters, width),
            )
        )
    return stages

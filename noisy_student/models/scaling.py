"""Compound scaling: the table of models, and the stages of each.

`efficientnet.py` builds the networks. Sources: EfficientNet (arXiv 1905.11946,
section 3.3 and table 1) and Noisy Student (arXiv 1911.04252, appendix A.2, for
L0, L1 and L2).
"""

import dataclasses
import math

_FILTER_MULTIPLE = 8


@dataclasses.dataclass(frozen=True)
class Scaling:
    """How a model of the family differs from B0.

    Attributes:
        width: factor on the number of filters, above 0.
        depth: factor on the number of blocks of a stage, above 0.
        resolution: side of the training images, in pixels.
        dropout_rate: dropout before the classifier, in [0, 1).
    """

    width: float
    depth: float
    resolution: int
    dropout_rate: float


@dataclasses.dataclass(frozen=True)
class Stage:
    """A sequence of equal blocks; only the first has the stride."""

    repeats: int
    kernel_size: int
    stride: int
    expansion: int
    input_filters: int
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
}

STAGES = (
    Stage(1, 3, 1, 1, 32, 16),
    Stage(2, 3, 2, 6, 16, 24),
    Stage(2, 5, 2, 6, 24, 40),
    Stage(3, 3, 2, 6, 40, 80),
    Stage(3, 5, 1, 6, 80, 112),
    Stage(4, 5, 2, 6, 112, 192),
    Stage(1, 3, 1, 6, 192, 320),
)
STEM_FILTERS = 32
STEM_STRIDE = 2
HEAD_FILTERS = 1280

# In the variant for 32x32 images the second and the third stage have no stride;
# the stem still halves the resolution.
_SMALL_IMAGE_STAGES_AT_STRIDE_1 = (1, 2)


def get_scaling(model_name: str) -> Scaling:
    """Returns the scaling of a model.

    Raises:
        ValueError: the name is not one of `MODELS`.
    """
    if model_name not in MODELS:
        raise ValueError(
            f"Unknown model_name {model_name!r}; known are {', '.join(MODELS)}."
        )
    return MODELS[model_name]


def scale_filters(filters: int, width: float) -> int:
    """Rounds filters * width to a multiple of 8, at most 10 % below it."""
    scaled = filters * width
    rounded = int(scaled + _FILTER_MULTIPLE / 2)
    rounded = rounded // _FILTER_MULTIPLE * _FILTER_MULTIPLE
    rounded = max(_FILTER_MULTIPLE, rounded)
    if rounded < 0.9 * scaled:
        rounded += _FILTER_MULTIPLE
    return rounded


def scale_repeats(repeats: int, depth: float) -> int:
    """Rounds repeats * depth up."""
    return math.ceil(repeats * depth)


def scale_stages(
    width: float, depth: float, small_image: bool = False
) -> list[Stage]:
    """Returns the stages of a model.

    Args:
        width: factor on the number of filters, above 0.
        depth: factor on the number of blocks, above 0.
        small_image: whether to return the variant for 32x32 images.
    """
    stages = []
    for i, stage in enumerate(STAGES):
        keep = small_image and i in _SMALL_IMAGE_STAGES_AT_STRIDE_1
        stages.append(
            dataclasses.replace(
                stage,
                repeats=scale_repeats(stage.repeats, depth),
                stride=1 if keep else stage.stride,
                input_filters=scale_filters(stage.input_filters, width),
                output_filters=scale_filters(stage.output_filters, width),
            )
        )
    return stages


def model_size(
    model_name: str, width: float | None, depth: float | None
) -> float:
    """Returns width^2 * depth, which orders models by size.

    Multiply-adds and parameters of a convolutional network grow with the
    square of its width and in proportion to its depth (EfficientNet,
    equation 3).

    Args:
        model_name: a key of `MODELS`.
        width: overrides the model's own factor; None does not.
        depth: overrides the model's own factor; None does not.
    """
    scaling = get_scaling(model_name)
    return (width or scaling.width) ** 2 * (depth or scaling.depth)

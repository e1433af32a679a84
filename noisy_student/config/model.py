"""Settings of a model."""

import dataclasses

from noisy_student.config.checks import require


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """One EfficientNet.

    Attributes:
        model_name: a key of `models.scaling.MODELS`.
        num_classes: size of the logits; in a run, the task's.
        input_image_size: side in pixels; None is the model's own.
        mean, std: of the task's RGB values, in [0, 1].
        width_coefficient, depth_coefficient, dropout_rate: None is the
            model's own.
        stochastic_depth_rate: drop rate that the last block would have, in
            [0, 1).
        small_image_model: the variant for 32x32 images; None is the task's,
            and without a task False.
    """

    model_name: str
    num_classes: int = 1000
    input_image_size: int | None = None
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    width_coefficient: float | None = None
    depth_coefficient: float | None = None
    dropout_rate: float | None = None
    stochastic_depth_rate: float = 0.2
    small_image_model: bool | None = None

    def __post_init__(self) -> None:
        for name in ("width_coefficient", "depth_coefficient"):
            value = getattr(self, name)
            require(value is None or value > 0, name, "above 0", value)
        for name in ("dropout_rate", "stochastic_depth_rate"):
            value = getattr(self, name)
            require(value is None or 0 <= value < 1, name, "in [0, 1)", value)

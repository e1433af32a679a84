"""Settings of a model."""

import dataclasses
from typing import Self

from noisy_student.config.checks import require, require_positive
from noisy_student.tasks import Task

ALL_REPLICAS = -2
DEFAULT_GROUPS = -1
NOTHING_FROZEN = -1


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
        use_bfloat16: features in bfloat16; logits, loss, weights and batch
            statistics stay float32.
        remat: compute the activations of blocks again for the gradient.
        fix_layer_num: freeze the stem and so many blocks; -1 is nothing.
        num_shards_per_group: replicas that share batch statistics; -2 is
            all, -1 the rule of `models.batch_norm.replicas_per_group`.
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
    use_bfloat16: bool = False
    remat: bool = False
    fix_layer_num: int = NOTHING_FROZEN
    num_shards_per_group: int = DEFAULT_GROUPS

    def __post_init__(self) -> None:
        require_positive(self, "width_coefficient", "depth_coefficient")
        for name in ("dropout_rate", "stochastic_depth_rate"):
            value = getattr(self, name)
            require(value is None or 0 <= value < 1, name, "in [0, 1)", value)
        frozen = self.fix_layer_num
        require(
            frozen >= NOTHING_FROZEN,
            "fix_layer_num",
            "0 or more, or -1 for nothing",
            frozen,
        )
        group = self.num_shards_per_group
        require(
            group > 0 or group in (DEFAULT_GROUPS, ALL_REPLICAS),
            "num_shards_per_group",
            "above 0, or -2 for all replicas, or -1 for the rule",
            group,
        )

    def for_task(self, task: Task, input_image_size: int | None) -> Self:
        """Fills in what a task decides, where nothing else was said.

        Args:
            task: its classes, normalisation, image size and variant.
            input_image_size: side in pixels; None is the task's.
        """
        small = self.small_image_model
        return dataclasses.replace(
            self,
            num_classes=task.num_classes,
            mean=task.mean,
            std=task.std,
            small_image_model=task.small_images if small is None else small,
            input_image_size=input_image_size or task.image_size,
        )

"""Settings of a model."""

import dataclasses
from typing import Self

from noisy_student.config.settings import Settings, setting
from noisy_student.tasks import IMAGENET_MEAN, IMAGENET_STD, Task

ALL_REPLICAS = -2
DEFAULT_GROUPS = -1
NOTHING_FROZEN = -1
PRECISIONS = ("float32", "bfloat16", "float16")


@dataclasses.dataclass(frozen=True)
class ModelConfig(Settings):
    """Which EfficientNet, and its model noise.

    Attributes:
        num_classes: size of the logits; in a run, the task's.
        input_image_size: side in pixels; None is the model's own.
        mean, std: of the task's RGB values, in [0, 1]; Lite models have
            their own.
    """

    model_name: str = setting("efficientnet-b0")
    """efficientnet-b0 to -b7, -l0, -l1 or -l2, or for phones -lite0 to -lite4;
    keras:NAME for a network of keras.applications, or module:function for one
    of your own (docs/networks.md). In self-training, the model of the first
    teacher, and of the students unless --student_model_names is set."""

    num_classes: int = 1000
    input_image_size: int | None = None
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    width_coefficient: float | None = setting(None, above=0, at_most=100)
    """Factor on the number of filters. Default: the model's."""

    depth_coefficient: float | None = setting(None, above=0, at_most=100)
    """Factor on the number of blocks. Default: the model's."""

    dropout_rate: float | None = setting(None, at_least=0, below=1)
    """Rate of dropout before the classifier. Default: the model's."""

    stochastic_depth_rate: float = setting(
        0.2, at_least=0, below=1, aliases=("drop_connect_rate",)
    )
    """Rate of stochastic depth: block i of n is dropped with probability rate
    * i / n."""

    small_image_model: bool | None = setting(None)
    """Use the variant for 32x32 images, whose second and third stage keep the
    resolution. Default: the task's."""

    precision: str | None = setting(None, choices=PRECISIONS)
    """In what features are computed; weights, batch statistics, logits and
    loss stay float32. bfloat16 is for TPUs and newer GPUs, float16 with
    dynamic loss scaling for older ones. On CPUs bfloat16 predicts faster and
    trains slower than float32, and float16 is slow. Default: float32, or
    bfloat16 with --use_bfloat16."""

    use_bfloat16: bool = setting(False, original=True)
    """The same as --precision=bfloat16, unless --precision is given."""

    remat: bool = setting(False)
    """Compute the activations of blocks again for the gradient, which takes
    less memory and more time."""

    fix_layer_num: int = setting(
        NOTHING_FROZEN, at_least=0, special={NOTHING_FROZEN: "nothing"}
    )
    """Freeze the stem and this many of the first blocks, with batch norm in
    inference mode; for weights that were trained before, of --init_weights."""

    freeze_batch_norm: bool = setting(False)
    """Keep batch norm as it is in --init_weights, in inference mode, while the
    other layers learn. Fine-tuning on few images, under noise, would give it
    worse statistics than those of ImageNet."""

    num_shards_per_group: int = setting(
        DEFAULT_GROUPS,
        above=0,
        special={
            ALL_REPLICAS: "all replicas",
            DEFAULT_GROUPS: "the default rule",
        },
    )
    """Replicas that share batch statistics, which costs messages in each norm.
    The default rule is each alone; on a TPU of more than 8 cores, as in the
    original, groups of max(8, replicas / 8)."""

    @property
    def compute_precision(self) -> str:
        """The dtype of features: float32, bfloat16 or float16."""
        return self.precision or (
            "bfloat16" if self.use_bfloat16 else "float32"
        )

    @property
    def dtype_policy(self) -> str:
        """Keras' name of the policy: features so, weights float32."""
        precision = self.compute_precision
        return precision if precision == "float32" else f"mixed_{precision}"

    @property
    def frozen(self) -> str | None:
        """What is frozen, as its flag says it; None where all is trained."""
        if self.fix_layer_num != NOTHING_FROZEN:
            return f"fix_layer_num={self.fix_layer_num}"
        return "freeze_batch_norm" if self.freeze_batch_norm else None

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

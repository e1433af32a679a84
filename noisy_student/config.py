"""The settings of an experiment: frozen, typed and checked once.

These dataclasses are the only thing that passes from the flags into the
library. A field has the name of its flag, where there is one, and each class
is one group of flags. `__post_init__` refuses values that no run could use,
before anything expensive starts.
"""

import dataclasses
import pathlib
from typing import Any

METHODS = ("supervised", "noisy_student")
AUGMENTATIONS = ("none", "v1")
DISTRIBUTIONS = ("auto", "one_device", "mirrored")
HARD_LABELS = -1.0
_PAPER_EPOCHS = 350


def _require(holds: bool, name: str, rule: str, value: Any) -> None:
    if not holds:
        raise ValueError(f"{name} must be {rule}; got {value!r}.")


def _require_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    _require(value in choices, name, f"one of {', '.join(choices)}", value)


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which images, and which of them keep their labels.

    Attributes:
        task_name: digits, cifar10, ... or any image data set of
            tensorflow-datasets with `image` and `label`.
        tfds_data_dir: where tensorflow-datasets keeps its data; None is its
            own default.
        label_split, unlabel_split, test_split: splits of tensorflow-datasets,
            slices allowed; None takes the task's.
        num_labeled: class-balanced number of images that keep their label;
            None is all. The others of the same split are unlabelled.
        input_image_size: side in pixels; None is the task's, or else the
            model's.
        unlabel_data_dir: pseudo-labelled records to train on; None outside
            of mode=train.
    """

    task_name: str
    tfds_data_dir: str | None = None
    label_split: str | None = None
    unlabel_split: str | None = None
    test_split: str | None = None
    num_labeled: int | None = None
    input_image_size: int | None = None
    unlabel_data_dir: str | None = None

    def __post_init__(self) -> None:
        for name in ("num_labeled", "input_image_size"):
            value = getattr(self, name)
            _require(value is None or value > 0, name, "above 0", value)


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
            _require(value is None or value > 0, name, "above 0", value)
        for name in ("dropout_rate", "stochastic_depth_rate"):
            value = getattr(self, name)
            _require(value is None or 0 <= value < 1, name, "in [0, 1)", value)


@dataclasses.dataclass(frozen=True)
class NoiseConfig:
    """Input noise.

    Attributes:
        augment_name: none, or v1 for RandAugment.
        randaug_mag: RandAugment's magnitude, in [0, 30]; 10 is "full".
        randaug_layer: operations on each image.
        cutout_op: whether Cutout is among RandAugment's operations.
        horizontal_flip: None is the task's.
    """

    augment_name: str = "none"
    randaug_mag: float = 27
    randaug_layer: int = 2
    cutout_op: bool = True
    horizontal_flip: bool | None = None

    def __post_init__(self) -> None:
        _require_choice("augment_name", self.augment_name, AUGMENTATIONS)
        magnitude, layers = self.randaug_mag, self.randaug_layer
        _require(0 <= magnitude <= 30, "randaug_mag", "in [0, 30]", magnitude)
        _require(layers >= 0, "randaug_layer", "at least 0", layers)


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """The optimisation of one model; numbers of the paper's appendix A.

    Attributes:
        method: where the targets of unlabelled images come from.
        train_batch_size: labelled images a step, over all replicas.
        unlabel_ratio: unlabelled images a labelled one in each step.
        train_steps: steps before `train_ratio`; None is 350 epochs of the
            labelled images, as in the paper.
        teacher_train_steps: the same for the first teacher in self-training;
            None is `train_steps`.
        train_ratio: factor on steps and on the decay period.
        teacher_softmax_temp: temperature of soft pseudo labels, above 0, or
            -1 for hard ones.
        base_learning_rate: at 256 labelled images a step.
        final_base_lr: where the schedule ends; None decays each 2.4 epochs.
        warmup_epochs: linear warm-up, in epochs of the labelled images.
        moving_average_decay: of the averaged weights, in [0, 1).
        weight_decay: factor on the sum of v^2 / 2.
        label_smoothing: in [0, 1).
    """

    method: str = "noisy_student"
    train_batch_size: int = 128
    unlabel_ratio: float = 0.0
    train_steps: int | None = None
    teacher_train_steps: int | None = None
    train_ratio: float = 1.0
    teacher_softmax_temp: float = HARD_LABELS
    base_learning_rate: float = 0.016
    final_base_lr: float | None = None
    warmup_epochs: float = 5.0
    moving_average_decay: float = 0.9999
    weight_decay: float = 1e-5
    label_smoothing: float = 0.1

    def __post_init__(self) -> None:
        _require_choice("method", self.method, METHODS)
        for name in (
            "train_batch_size",
            "train_steps",
            "teacher_train_steps",
            "train_ratio",
        ):
            value = getattr(self, name)
            _require(value is None or value > 0, name, "above 0", value)
        _require(
            self.unlabel_ratio >= 0,
            "unlabel_ratio",
            "at least 0",
            self.unlabel_ratio,
        )
        for name in ("moving_average_decay", "label_smoothing"):
            value = getattr(self, name)
            _require(0 <= value < 1, name, "in [0, 1)", value)
        self._check_rates()

    def _check_rates(self) -> None:
        temperature = self.teacher_softmax_temp
        _require(
            temperature == HARD_LABELS or temperature > 0,
            "teacher_softmax_temp",
            "above 0, or -1 for hard labels",
            temperature,
        )
        base, final = self.base_learning_rate, self.final_base_lr
        _require(base > 0, "base_learning_rate", "above 0", base)
        _require(
            final is None or 0 < final < base,
            "final_base_lr",
            "above 0 and below base_learning_rate",
            final,
        )
        for name in ("weight_decay", "warmup_epochs"):
            value = getattr(self, name)
            _require(value >= 0, name, "at least 0", value)

    def total_steps(self, num_labeled: int) -> int:
        """Steps of a run on so many labelled images, after `train_ratio`."""
        paper = _PAPER_EPOCHS * num_labeled / self.train_batch_size
        steps = paper if self.train_steps is None else self.train_steps
        return max(1, int(steps * self.train_ratio))


@dataclasses.dataclass(frozen=True)
class PseudoLabelConfig:
    """Filtering and balancing of the teacher's labels.

    Attributes:
        num_image: images a class after balancing.
        min_threshold: least probability of a kept image, in [0, 1].
        max_prob: greatest probability of a kept image.
        upsample: whether scarce classes are repeated up to `num_image`.
        use_all: keep one copy of every image, filter nothing.
        num_shards: files that the unlabelled images are spread over.
    """

    num_image: int = 1300
    min_threshold: float = 0.0
    max_prob: float = 2.0
    upsample: bool = True
    use_all: bool = False
    num_shards: int = 1

    def __post_init__(self) -> None:
        for name in ("num_image", "num_shards"):
            value = getattr(self, name)
            _require(value > 0, name, "above 0", value)
        least = self.min_threshold
        _require(0 <= least <= 1, "min_threshold", "in [0, 1]", least)
        _require(
            self.max_prob > least,
            "max_prob",
            "above min_threshold",
            self.max_prob,
        )


@dataclasses.dataclass(frozen=True)
class PredictConfig:
    """Which model predicts or is evaluated, and where predictions go.

    Attributes:
        predict_ckpt_path: a `.keras` file; None is the run directory's.
        output_dir: of the probabilities.
        info_dir: of the counts; None is `output_dir`/info.
        shard_id: shards to predict; empty is all.
    """

    predict_ckpt_path: str | None = None
    output_dir: str | None = None
    info_dir: str | None = None
    shard_id: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True)
class SelfTrainingConfig:
    """The outer loop.

    Attributes:
        num_iterations: students after the first teacher.
        student_model_names, student_width_coefficients,
            student_depth_coefficients: one value a student, or one for all;
            empty is the first teacher's.
    """

    num_iterations: int = 3
    student_model_names: tuple[str, ...] = ()
    student_width_coefficients: tuple[float, ...] = ()
    student_depth_coefficients: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        count = self.num_iterations
        _require(count > 0, "num_iterations", "above 0", count)
        for name in (
            "student_model_names",
            "student_width_coefficients",
            "student_depth_coefficients",
        ):
            values = getattr(self, name)
            _require(
                len(values) in (0, 1, count),
                name,
                f"one value or {count} (num_iterations)",
                ",".join(map(str, values)),
            )

    def student_model(self, model: ModelConfig, iteration: int) -> ModelConfig:
        """The model of a student.

        Args:
            model: the first teacher's.
            iteration: 1 for the first student.
        """
        overrides: dict[str, tuple] = {
            "model_name": self.student_model_names,
            "width_coefficient": self.student_width_coefficients,
            "depth_coefficient": self.student_depth_coefficients,
        }
        changes: dict[str, Any] = {
            name: values[min(iteration, len(values)) - 1]
            for name, values in overrides.items()
            if values
        }
        return dataclasses.replace(model, **changes)


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """How a run goes, without effect on what it computes.

    Attributes:
        distribution: how the devices are used.
        eval_batch_size: images a step of evaluation and prediction.
        steps_per_eval: steps between evaluations; 0 is only at the end.
        save_checkpoints_steps: steps between checkpoints.
        keep_checkpoint_max: checkpoints that stay.
        iterations_per_loop: steps in one call on the device.
    """

    distribution: str = "auto"
    eval_batch_size: int = 256
    steps_per_eval: int = 0
    save_checkpoints_steps: int = 1000
    keep_checkpoint_max: int = 5
    iterations_per_loop: int = 100

    def __post_init__(self) -> None:
        _require_choice("distribution", self.distribution, DISTRIBUTIONS)
        for name in (
            "eval_batch_size",
            "save_checkpoints_steps",
            "keep_checkpoint_max",
            "iterations_per_loop",
        ):
            value = getattr(self, name)
            _require(value > 0, name, "above 0", value)
        every = self.steps_per_eval
        _require(every >= 0, "steps_per_eval", "at least 0", every)


@dataclasses.dataclass(frozen=True)
class ExperimentConfig:
    """Everything about a run; `config.json` is this.

    Attributes:
        mode: self_train, train, predict or eval.
        model_dir: the run directory; None where nothing is trained.
        seed: of everything that is drawn.
        model: the first teacher's model, or the only one.
    """

    mode: str
    model_dir: str | None
    seed: int
    data: DataConfig
    model: ModelConfig
    noise: NoiseConfig
    train: TrainConfig
    pseudo_labels: PseudoLabelConfig
    predict: PredictConfig
    self_training: SelfTrainingConfig
    run: RunConfig

    @property
    def directory(self) -> pathlib.Path:
        """The run directory.

        Raises:
            ValueError: `model_dir` is not set.
        """
        if self.model_dir is None:
            raise ValueError("model_dir must be set.")
        return pathlib.Path(self.model_dir)

"""Settings of the optimisation of one model, and of how a run goes."""

import dataclasses

from noisy_student.config.checks import (
    require,
    require_choice,
    require_positive,
)

METHODS = ("supervised", "noisy_student")
DISTRIBUTIONS = ("auto", "one_device", "mirrored")
HARD_LABELS = -1.0
_PAPER_EPOCHS = 350


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
        require_choice("method", self.method, METHODS)
        require_positive(
            self,
            "train_batch_size",
            "train_steps",
            "teacher_train_steps",
            "train_ratio",
        )
        require(
            self.unlabel_ratio >= 0,
            "unlabel_ratio",
            "at least 0",
            self.unlabel_ratio,
        )
        for name in ("moving_average_decay", "label_smoothing"):
            value = getattr(self, name)
            require(0 <= value < 1, name, "in [0, 1)", value)
        self._check_rates()

    def _check_rates(self) -> None:
        temperature = self.teacher_softmax_temp
        require(
            temperature == HARD_LABELS or temperature > 0,
            "teacher_softmax_temp",
            "above 0, or -1 for hard labels",
            temperature,
        )
        base, final = self.base_learning_rate, self.final_base_lr
        require(base > 0, "base_learning_rate", "above 0", base)
        require(
            final is None or 0 < final < base,
            "final_base_lr",
            "above 0 and below base_learning_rate",
            final,
        )
        for name in ("weight_decay", "warmup_epochs"):
            value = getattr(self, name)
            require(value >= 0, name, "at least 0", value)

    def total_steps(self, num_labeled: int) -> int:
        """Steps of a run on so many labelled images, after `train_ratio`."""
        paper = _PAPER_EPOCHS * num_labeled / self.train_batch_size
        steps = paper if self.train_steps is None else self.train_steps
        return max(1, int(steps * self.train_ratio))


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
        require_choice("distribution", self.distribution, DISTRIBUTIONS)
        require_positive(
            self,
            "eval_batch_size",
            "save_checkpoints_steps",
            "keep_checkpoint_max",
            "iterations_per_loop",
        )
        every = self.steps_per_eval
        require(every >= 0, "steps_per_eval", "at least 0", every)

"""Settings of the optimisation of one model, and of how a run goes."""

import dataclasses

from noisy_student.config.checks import (
    require,
    require_choice,
    require_fractions,
    require_positive,
)

METHODS = (
    "supervised",
    "noisy_student",
    "pi_model",
    "temporal_ensembling",
    "mean_teacher",
)
OPTIMIZERS = ("rmsprop", "adam", "sgd")
SCHEDULES = ("staircase", "ramps")
DISTRIBUTIONS = ("auto", "one_device", "mirrored", "multi_worker", "tpu")
HARD_LABELS = -1.0
_PAPER_EPOCHS = 350
# Shares of a run: 80 and 50 of 300 epochs (arXiv 1610.02242, appendix A).
_RAMP_UP, _RAMP_DOWN = 80 / 300, 50 / 300


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """The optimisation of one model; numbers of the paper's appendix A.

    Attributes:
        method: where the targets of unlabelled images come from; a name of
            `methods.names()`, or `module:Class` for another. None, here and
            below, is the method's default; see `methods.with_defaults`.
        train_batch_size: labelled images a step, over all replicas.
        label_data_sample_prob: share of these whose loss counts, drawn anew
            each step, in (0, 1]; so a step can have fewer labelled images
            than there are replicas.
        accumulation_steps: parts that a step's batch is computed in, one
            after the other.
        unlabel_ratio: unlabelled images a labelled one in each step.
        train_steps: steps before `train_ratio`; None is 350 epochs of the
            labelled images, as in the paper.
        teacher_train_steps: the same for the first teacher in self-training;
            None is `train_steps`.
        train_ratio: factor on steps and on the decay period.
        train_last_step_num: train only so many steps, the last ones of the
            schedule (before `train_ratio`); None is all of them.
        teacher_softmax_temp: temperature of soft pseudo labels, above 0, or
            -1 for hard ones.
        teacher_model_path: a model that labels in every step, on images
            without noise; None takes the probabilities of the records.
        teacher_model_name: its name, where the path is a checkpoint of the
            original.
        init_model_path: weights to start from; None is fresh ones.
        allow_new_head: start with a fresh classifier where that of
            `init_model_path` has other classes.
        optimizer: one of `OPTIMIZERS`.
        learning_rate_schedule: one of `SCHEDULES`: staircase is Noisy
            Student's, ramps that of the consistency methods.
        base_learning_rate: of the staircase, at 256 labelled images a step.
        final_base_lr: where the staircase ends; None decays each 2.4 epochs.
        warmup_epochs: linear warm-up of the staircase, in epochs of the
            labelled images.
        max_learning_rate: of the ramps, at any batch.
        ramp_up_steps: in which learning rate and consistency weight rise,
            before `train_ratio`; None is 80/300 of the steps.
        ramp_down_steps: the last ones, in which learning rate and Adam's
            beta1 fall; None is 50/300 of the steps.
        adam_beta1, adam_final_beta1: Adam's beta1 before the ramp-down and at
            its end, in [0, 1).
        adam_beta2: in [0, 1).
        moving_average_decay: of the averaged weights, in [0, 1).
        weight_decay: factor on the sum of v^2 / 2.
        label_smoothing: in [0, 1).
    """

    method: str | None = None
    train_batch_size: int = 128
    label_data_sample_prob: float = 1.0
    accumulation_steps: int = 1
    unlabel_ratio: float = 0.0
    train_steps: int | None = None
    teacher_train_steps: int | None = None
    train_ratio: float = 1.0
    train_last_step_num: int | None = None
    teacher_softmax_temp: float = HARD_LABELS
    teacher_model_path: str | None = None
    teacher_model_name: str | None = None
    init_model_path: str | None = None
    allow_new_head: bool = False
    optimizer: str | None = None
    learning_rate_schedule: str | None = None
    base_learning_rate: float = 0.016
    final_base_lr: float | None = None
    warmup_epochs: float = 5.0
    max_learning_rate: float = 0.003
    ramp_up_steps: int | None = None
    ramp_down_steps: int | None = None
    adam_beta1: float = 0.9
    adam_final_beta1: float = 0.5
    adam_beta2: float = 0.999
    moving_average_decay: float = 0.9999
    weight_decay: float = 1e-5
    label_smoothing: float | None = None

    def __post_init__(self) -> None:
        for name, choices in (
            ("optimizer", OPTIMIZERS),
            ("learning_rate_schedule", SCHEDULES),
        ):
            if getattr(self, name) is not None:
                require_choice(name, getattr(self, name), choices)
        require_positive(
            self,
            "train_batch_size",
            "train_steps",
            "teacher_train_steps",
            "train_ratio",
            "train_last_step_num",
            "accumulation_steps",
            "max_learning_rate",
        )
        share = self.label_data_sample_prob
        require(0 < share <= 1, "label_data_sample_prob", "in (0, 1]", share)
        require(
            self.unlabel_ratio >= 0,
            "unlabel_ratio",
            "at least 0",
            self.unlabel_ratio,
        )
        require_fractions(
            self,
            "moving_average_decay",
            "adam_beta1",
            "adam_final_beta1",
            "adam_beta2",
        )
        if self.label_smoothing is not None:
            require_fractions(self, "label_smoothing")
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
        for name in (
            "weight_decay",
            "warmup_epochs",
            "ramp_up_steps",
            "ramp_down_steps",
        ):
            value = getattr(self, name)
            require(value is None or value >= 0, name, "at least 0", value)

    @property
    def labels_per_step(self) -> float:
        """Labelled images a step whose loss counts, on average."""
        return self.train_batch_size * self.label_data_sample_prob

    @property
    def unlabeled_batch_size(self) -> int:
        """Unlabelled images a step, over all replicas."""
        return round(self.labels_per_step * self.unlabel_ratio)

    def schedule_steps(self, num_labeled: int) -> int:
        """Steps of the learning rate's schedule, after `train_ratio`."""
        paper = _PAPER_EPOCHS * num_labeled / self.labels_per_step
        steps = paper if self.train_steps is None else self.train_steps
        return max(1, int(steps * self.train_ratio))

    def ramp_steps(self, num_labeled: int) -> tuple[int, int]:
        """Steps of the ramp-up and of the ramp-down.

        Raises:
            ValueError: one of them is longer than the schedule.
        """
        total = self.schedule_steps(num_labeled)

        def steps(name: str, share: float) -> int:
            given = getattr(self, name)
            if given is None:
                return int(share * total)
            steps = int(given * self.train_ratio)
            if steps > total:
                raise ValueError(
                    f"{name}={given} is longer than the training, which has "
                    f"{total / self.train_ratio:.0f} steps; lower it or raise "
                    "train_steps."
                )
            return steps

        return (
            steps("ramp_up_steps", _RAMP_UP),
            steps("ramp_down_steps", _RAMP_DOWN),
        )

    def total_steps(self, num_labeled: int) -> int:
        """Steps of a run on so many labelled images: all, or the last ones.

        Raises:
            ValueError: there are fewer steps than `train_last_step_num`.
        """
        steps = self.schedule_steps(num_labeled)
        if self.train_last_step_num is None:
            return steps
        last = max(1, int(self.train_last_step_num * self.train_ratio))
        if last > steps:
            raise ValueError(
                f"train_last_step_num={self.train_last_step_num} is more than "
                f"the schedule's {steps / self.train_ratio:.0f} steps."
            )
        return last


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """How a run goes, without effect on what it computes.

    Attributes:
        distribution: how the devices are used; see
            `training.distribution`.
        tpu: name or address of the TPU; None is this machine's, or the
            environment's.
        tpu_zone, gcp_project: where a TPU of that name is looked up.
        eval_batch_size: images a step of evaluation and prediction.
        steps_per_eval: steps between evaluations; 0 is only at the end.
        save_checkpoints_steps: steps between checkpoints.
        keep_checkpoint_max: checkpoints that stay.
        iterations_per_loop: steps in one call on the device.
    """

    distribution: str = "auto"
    tpu: str | None = None
    tpu_zone: str | None = None
    gcp_project: str | None = None
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

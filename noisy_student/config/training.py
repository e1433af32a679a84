"""Settings of the optimisation of one model."""

import dataclasses
from typing import Self

from noisy_student.config.checks import require
from noisy_student.config.paths import absolute
from noisy_student.config.settings import Settings, setting

OPTIMIZERS = ("rmsprop", "adam", "adamw", "sgd")
KEPT_WEIGHTS = ("best", "last")
CLASS_WEIGHTS = ("none", "balanced")
SCHEDULES = ("staircase", "cosine", "ramps")
HARD_LABELS = -1.0
IMAGENET, NOISY_STUDENT = "imagenet", "noisy-student"
PRETRAINED = (IMAGENET, NOISY_STUDENT)
_PAPER_EPOCHS = 350
# Shares of a run: 80 and 50 of 300 epochs (arXiv 1610.02242, appendix A).
_RAMP_UP, _RAMP_DOWN = 80 / 300, 50 / 300


@dataclasses.dataclass(frozen=True)
class TrainConfig(Settings):
    """Optimisation: batches, steps, learning rate and terms of the loss.

    Numbers are those of the paper's appendix A. What the method decides
    (`method`, `optimizer`, `learning_rate_schedule`, `label_smoothing`) is
    None until `methods.with_defaults` fills it in.
    """

    method: str = setting(None)
    """Where the targets of unlabelled images come from: supervised,
    noisy_student, pi_model, temporal_ensembling, mean_teacher, or MODULE:CLASS
    for a method of your own (docs/methods.md). Default: noisy_student if
    --unlabel_ratio is above 0, else supervised."""

    train_batch_size: int = setting(128, original=4096, above=0)
    """Labelled images per step, over all replicas."""

    label_data_sample_prob: float = setting(1.0, above=0, at_most=1)
    """Share of the labelled images of each step whose loss counts, drawn at
    random; so that there can be less than one per replica. In self-training,
    where labelled images are alone, all count."""

    class_weights: str = setting("none", choices=CLASS_WEIGHTS)
    """none: the loss of every labelled image counts alike; balanced: it counts
    in inverse proportion to how many there are of its class."""

    accumulation_steps: int = setting(1, above=0)
    """Equal pieces of a step's batch that are computed one after the other to
    save memory; each piece has its own batch statistics."""

    unlabel_ratio: float = setting(0.0, at_least=0)
    """Unlabelled images per labelled one in each step; also the factor on
    their part of the loss."""

    train_steps: int | None = setting(None, original=109_474, above=0)
    """Steps to train, before --train_ratio; with --train_epochs at least so
    many. Default: 350 epochs of the labelled images."""

    train_epochs: float | None = setting(None, above=0)
    """Epochs of the labelled images to train. Default: as --train_steps
    says."""

    teacher_train_steps: int | None = setting(None, above=0)
    """Steps of the first teacher in self-training. Default: --train_steps."""

    train_ratio: float = setting(1.0, above=0)
    """Factor on the number of steps and on the decay period of the learning
    rate."""

    train_last_step_num: int | None = setting(None, above=0, none=(-1,))
    """Train only this many steps, the last ones of the schedule (before
    --train_ratio); for fine-tuning, with --init_weights. Default: all."""

    teacher_softmax_temp: float = setting(
        HARD_LABELS, above=0, special={HARD_LABELS: "hard labels"}
    )
    """Temperature of soft pseudo labels; higher ones are softer."""

    teacher_model_path: str | None = setting(None)
    """A model that labels the unlabelled images in every step: a .keras file,
    a run directory, or a checkpoint of the original (then with
    --teacher_model_name). Default: none, the probabilities in
    --unlabel_data_dir are used."""

    teacher_model_name: str | None = setting(None, none=("",))
    """Which EfficientNet --teacher_model_path is, if it is a checkpoint of the
    original."""

    init_model: bool | None = setting(None)
    """Whether to start from --init_weights. Default: if that is given."""

    init_weights: str | None = setting(
        None, none=("none",), aliases=("init_model_path",)
    )
    """Weights to start from, in self-training those of the first teacher (of
    students, see --student_init): imagenet or noisy-student, which are
    downloaded where they are not here yet (docs/checkpoints.md); or a .keras
    file, a run directory, a checkpoint of the original, or PyTorch's weights
    as .safetensors or .pth. Default: none, fresh weights."""

    allow_new_head: bool = setting(False)
    """Start with a fresh classifier if the weights of a path in --init_weights
    are for other classes. Those of imagenet and noisy-student do so by
    themselves."""

    optimizer: str = setting(None, choices=OPTIMIZERS)
    """sgd has Nesterov's momentum 0.9; adamw decouples --weight_decay from the
    gradient, which suits fine-tuning. Default: the method's (rmsprop for
    supervised and noisy_student, adam for the consistency methods)."""

    learning_rate_schedule: str = setting(None, choices=SCHEDULES)
    """staircase: a warm-up to --base_learning_rate, then x 0.97 every few
    epochs; cosine: the same warm-up, then down to --final_base_lr or 0 along
    half a cosine; ramps: up to --max_learning_rate and down to 0 along
    Gaussian curves. Default: ramps with adam, cosine with adamw, else
    staircase."""

    base_learning_rate: float = setting(0.016, above=0)
    """Learning rate of staircase and cosine at 256 labelled images per step;
    it is scaled with the batch."""

    final_base_lr: float | None = setting(None, above=0)
    """Where staircase and cosine end, at 256 labelled images per step; below
    --base_learning_rate. Default: wherever x 0.97 every 2.4 epochs leads, or
    0."""

    warmup_epochs: float = setting(5.0, at_least=0)
    """Length of the linear warm-up of staircase and cosine, in epochs of the
    labelled images."""

    head_learning_rate_factor: float = setting(1.0, above=0)
    """How much larger the learning rate of the classifier is than that of the
    layers below it; for fine-tuning, where only the classifier is new."""

    max_learning_rate: float = setting(0.003, above=0)
    """Learning rate between the ramps, whatever the batch."""

    ramp_up_steps: int | None = setting(None, at_least=0)
    """First steps, in which the learning rate of
    --learning_rate_schedule=ramps and the weight of the consistency loss rise;
    before --train_ratio. Default: 80/300 of all."""

    ramp_down_steps: int | None = setting(None, at_least=0)
    """Last steps, in which the learning rate of --learning_rate_schedule=ramps
    and Adam's beta1 fall; before --train_ratio. Default: 50/300 of all."""

    adam_beta1: float = setting(0.9, at_least=0, below=1)
    """Adam's beta1 before the ramp-down."""

    adam_final_beta1: float = setting(0.5, at_least=0, below=1)
    """Adam's beta1 at the end of the ramp-down."""

    adam_beta2: float = setting(0.999, at_least=0, below=1)
    """Adam's beta2, the decay of the mean squared gradient."""

    moving_average_decay: float = setting(0.9999, at_least=0, below=1)
    """Decay of the averaged weights, which are evaluated, predict and teach
    (mean_teacher has --teacher_decay instead)."""

    weight_decay: float = setting(1e-5, at_least=0)
    """Factor on half the sum of squared weights in the loss; those of batch
    norm are left out."""

    label_smoothing: float = setting(None, at_least=0, below=1)
    """Smoothing of labels and of hard pseudo labels. Default: the method's
    (0.1 for supervised and noisy_student, 0 for the consistency methods)."""

    keep: str | None = setting(None, original="last", choices=KEPT_WEIGHTS)
    """Weights that a training ends with, averaged: best: those of the
    evaluation that was best on the validation images; last: those of the last
    step. Default: best where there are validation images."""

    early_stopping_evals: int | None = setting(None, above=0)
    """End a training after so many evaluations on validation images in a row
    that are no better than the best before them. Default: never."""

    def __post_init__(self) -> None:
        super().__post_init__()
        final = self.final_base_lr
        require(
            final is None or final < self.base_learning_rate,
            "final_base_lr",
            "above 0 and below base_learning_rate",
            final,
        )
        self._resolve(
            teacher_model_path=absolute(self.teacher_model_path),
            init_weights=_name_or_path(self.init_weights),
        )

    def with_init_model(self) -> Self:
        """Lets `init_model` decide on `init_weights`, and be None.

        Raises:
            ValueError: weights are to be given, and are not.
        """
        weights = self.init_weights
        if self.init_model and weights is None:
            raise ValueError("init_model needs init_weights.")
        if self.init_model is False:
            weights = None
        return dataclasses.replace(self, init_model=None, init_weights=weights)

    @property
    def labels_per_step(self) -> float:
        """Labelled images per step whose loss counts, on average."""
        return self.train_batch_size * self.label_data_sample_prob

    @property
    def loss_weight_decay(self) -> float:
        """Weight decay in the loss; AdamW has it apart from the gradient."""
        return 0.0 if self.optimizer == "adamw" else self.weight_decay

    @property
    def unlabeled_batch_size(self) -> int:
        """Unlabelled images per step, over all replicas."""
        return round(self.labels_per_step * self.unlabel_ratio)

    def schedule_steps(self, num_labeled: int) -> int:
        """Steps of the learning rate's schedule, after `train_ratio`."""
        epoch = num_labeled / self.labels_per_step
        if self.train_epochs is not None:
            steps = max(self.train_epochs * epoch, self.train_steps or 0)
        elif self.train_steps is not None:
            steps = self.train_steps
        else:
            steps = _PAPER_EPOCHS * epoch
        return max(1, int(steps * self.train_ratio))

    def ramp_steps(self, num_labeled: int) -> tuple[int, int]:
        """Steps of the ramp-up and of the ramp-down.

        Raises:
            ValueError: one of them is longer than the schedule.
        """
        total = self.schedule_steps(num_labeled)

        def steps(name: str, given: int | None, share: float) -> int:
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
            steps("ramp_up_steps", self.ramp_up_steps, _RAMP_UP),
            steps("ramp_down_steps", self.ramp_down_steps, _RAMP_DOWN),
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


def _name_or_path(weights: str | None) -> str | None:
    """A name of pretrained weights as it is, and a path as an absolute one."""
    return weights if weights in PRETRAINED else absolute(weights)

"""Optimisation: batches, steps, learning rate and the parts of the loss."""

import pathlib

from absl import flags

from noisy_student import config

_METHODS = ", ".join(config.METHODS)
_METHOD = flags.DEFINE_string(
    "method",
    None,
    f"Where the targets of unlabelled images come from: {_METHODS}, or "
    "module:Class for one of your own (docs/methods.md); default: "
    "noisy_student with --unlabel_ratio above 0, else supervised.",
)
_TRAIN_BATCH_SIZE = flags.DEFINE_integer(
    "train_batch_size", 128, "Labelled images a step."
)
_LABEL_DATA_SAMPLE_PROB = flags.DEFINE_float(
    "label_data_sample_prob",
    1.0,
    "Share of the labelled images of a step whose loss counts, in (0, 1], "
    "drawn at random; so that there may be fewer than one a replica.",
)
_ACCUMULATION_STEPS = flags.DEFINE_integer(
    "accumulation_steps",
    1,
    "Parts that a step computes its batch in, one after the other, to fit "
    "the memory; batch statistics are a part's own.",
)
_UNLABEL_RATIO = flags.DEFINE_float(
    "unlabel_ratio",
    0,
    "Unlabelled images a step for each labelled one; also the factor on their "
    "part of the loss.",
)
_TRAIN_STEPS = flags.DEFINE_integer(
    "train_steps",
    None,
    "Steps to train; default: 350 epochs of the labelled images.",
)
_TEACHER_TRAIN_STEPS = flags.DEFINE_integer(
    "teacher_train_steps",
    None,
    "Steps of the first teacher in self-training; default: --train_steps.",
)
_TRAIN_RATIO = flags.DEFINE_float(
    "train_ratio",
    1.0,
    "Factor on the steps and on the decay period of the learning rate.",
)
_TRAIN_LAST_STEP_NUM = flags.DEFINE_integer(
    "train_last_step_num",
    None,
    "Train only the last so many steps of the schedule, for fine-tuning; "
    "default: all.",
)
_TEACHER_SOFTMAX_TEMP = flags.DEFINE_float(
    "teacher_softmax_temp",
    config.HARD_LABELS,
    "Temperature of soft pseudo labels; -1: hard ones.",
)
_TEACHER_MODEL_PATH = flags.DEFINE_string(
    "teacher_model_path",
    None,
    "A model that labels the unlabelled images in every step: a .keras file, "
    "or a checkpoint of the original (then with --teacher_model_name); "
    "default: the probabilities of --unlabel_data_dir.",
)
_TEACHER_MODEL_NAME = flags.DEFINE_string(
    "teacher_model_name",
    None,
    "Which EfficientNet a --teacher_model_path of the original is.",
)
_INIT_MODEL_PATH = flags.DEFINE_string(
    "init_model_path",
    None,
    "Weights to start from: a .keras file, a run directory, or a checkpoint "
    "of the original; default: fresh ones. In self-training of the first "
    "teacher.",
)
_ALLOW_NEW_HEAD = flags.DEFINE_bool(
    "allow_new_head",
    False,
    "Start with a fresh classifier where that of the given weights has other "
    "classes.",
)
_OPTIMIZER = flags.DEFINE_enum(
    "optimizer",
    None,
    config.OPTIMIZERS,
    "Default: rmsprop as Noisy Student, adam for pi_model, "
    "temporal_ensembling and mean_teacher; sgd has Nesterov's momentum 0.9.",
)
_LEARNING_RATE_SCHEDULE = flags.DEFINE_enum(
    "learning_rate_schedule",
    None,
    config.SCHEDULES,
    "staircase: warm-up, then x 0.97 each some epochs, from "
    "--base_learning_rate; ramps: up to --max_learning_rate and down to 0 "
    "along Gaussian curves. Default: ramps with adam, else staircase.",
)
_MAX_LEARNING_RATE = flags.DEFINE_float(
    "max_learning_rate",
    0.003,
    "Learning rate between the ramps, whatever the batch.",
)
_RAMP_UP_STEPS = flags.DEFINE_integer(
    "ramp_up_steps",
    None,
    "First steps, in which the learning rate of --learning_rate_schedule=ramps "
    "and the weight of the consistency loss rise; default: 80/300 of all.",
)
_RAMP_DOWN_STEPS = flags.DEFINE_integer(
    "ramp_down_steps",
    None,
    "Last steps, in which that learning rate and Adam's beta1 fall; default: "
    "50/300 of all.",
)
_ADAM_BETA1 = flags.DEFINE_float("adam_beta1", 0.9, "Until the ramp-down.")
_ADAM_FINAL_BETA1 = flags.DEFINE_float(
    "adam_final_beta1", 0.5, "Adam's beta1 at the end of the ramp-down."
)
_ADAM_BETA2 = flags.DEFINE_float(
    "adam_beta2", 0.999, "Decay of Adam's mean square."
)
_BASE_LEARNING_RATE = flags.DEFINE_float(
    "base_learning_rate",
    0.016,
    "Learning rate of the staircase at 256 labelled images a step; scaled by "
    "the batch.",
)
_FINAL_BASE_LR = flags.DEFINE_float(
    "final_base_lr",
    None,
    "Where the learning rate ends, at 256 labelled images a step; default: "
    "x 0.97 every 2.4 epochs.",
)
_WARMUP_EPOCHS = flags.DEFINE_float(
    "warmup_epochs",
    5.0,
    "Linear warm-up of the staircase, in epochs of the labelled images.",
)
_MOVING_AVERAGE_DECAY = flags.DEFINE_float(
    "moving_average_decay",
    0.9999,
    "Decay of the averaged weights, which evaluate, predict and teach "
    "(mean_teacher has --teacher_decay).",
)
_WEIGHT_DECAY = flags.DEFINE_float(
    "weight_decay",
    1e-5,
    "Factor on half the squared weights; batch norm's are left out.",
)
_LABEL_SMOOTHING = flags.DEFINE_float(
    "label_smoothing",
    None,
    "Smoothing of labels and hard pseudo labels; default: 0.1, and 0 for "
    "pi_model, temporal_ensembling and mean_teacher.",
)


def train_config() -> config.TrainConfig:
    """The group as a dataclass; None where the method decides."""
    return config.TrainConfig(
        method=_METHOD.value,
        train_batch_size=_TRAIN_BATCH_SIZE.value,
        label_data_sample_prob=_LABEL_DATA_SAMPLE_PROB.value,
        accumulation_steps=_ACCUMULATION_STEPS.value,
        unlabel_ratio=_UNLABEL_RATIO.value,
        train_steps=_TRAIN_STEPS.value,
        teacher_train_steps=_TEACHER_TRAIN_STEPS.value,
        train_ratio=_TRAIN_RATIO.value,
        train_last_step_num=_TRAIN_LAST_STEP_NUM.value,
        teacher_softmax_temp=_TEACHER_SOFTMAX_TEMP.value,
        teacher_model_path=_absolute(_TEACHER_MODEL_PATH.value),
        teacher_model_name=_TEACHER_MODEL_NAME.value,
        init_model_path=_absolute(_INIT_MODEL_PATH.value),
        allow_new_head=_ALLOW_NEW_HEAD.value,
        optimizer=_OPTIMIZER.value,
        learning_rate_schedule=_LEARNING_RATE_SCHEDULE.value,
        max_learning_rate=_MAX_LEARNING_RATE.value,
        ramp_up_steps=_RAMP_UP_STEPS.value,
        ramp_down_steps=_RAMP_DOWN_STEPS.value,
        adam_beta1=_ADAM_BETA1.value,
        adam_final_beta1=_ADAM_FINAL_BETA1.value,
        adam_beta2=_ADAM_BETA2.value,
        base_learning_rate=_BASE_LEARNING_RATE.value,
        final_base_lr=_FINAL_BASE_LR.value,
        warmup_epochs=_WARMUP_EPOCHS.value,
        moving_average_decay=_MOVING_AVERAGE_DECAY.value,
        weight_decay=_WEIGHT_DECAY.value,
        label_smoothing=_LABEL_SMOOTHING.value,
    )


def _absolute(path: str | None) -> str | None:
    """So that a run means the same file wherever it is started."""
    return str(pathlib.Path(path).resolve()) if path else None

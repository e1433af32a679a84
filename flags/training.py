"""Optimisation: batches, steps, learning rate and the parts of the loss."""

import pathlib

from absl import flags

from noisy_student import config

_METHOD = flags.DEFINE_enum(
    "method",
    None,
    config.METHODS,
    "Where the targets of unlabelled images come from; default: noisy_student "
    "with --unlabel_ratio above 0, else supervised.",
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
_BASE_LEARNING_RATE = flags.DEFINE_float(
    "base_learning_rate",
    0.016,
    "Learning rate at 256 labelled images a step; scaled by the batch.",
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
    "Linear warm-up, in epochs of the labelled images.",
)
_MOVING_AVERAGE_DECAY = flags.DEFINE_float(
    "moving_average_decay",
    0.9999,
    "Decay of the averaged weights, which evaluate, predict and teach.",
)
_WEIGHT_DECAY = flags.DEFINE_float(
    "weight_decay",
    1e-5,
    "Factor on half the squared weights; batch norm's are left out.",
)
_LABEL_SMOOTHING = flags.DEFINE_float(
    "label_smoothing", 0.1, "Smoothing of labels and hard pseudo labels."
)


def train_config() -> config.TrainConfig:
    """The group as a dataclass."""
    method = _METHOD.value
    if method is None:
        method = "noisy_student" if _UNLABEL_RATIO.value else "supervised"
    return config.TrainConfig(
        method=method,
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

"""What to run, where, and how."""

from absl import flags

from noisy_student import config

MODES = ("self_train", "train", "eval", "predict")

MODE = flags.DEFINE_enum(
    "mode",
    "self_train",
    MODES,
    "self_train: teacher, pseudo labels, student, and again; train: one "
    "model; eval: the accuracy of a model; predict: a teacher's "
    "probabilities for the unlabelled images.",
)
MODEL_DIR = flags.DEFINE_string(
    "model_dir",
    None,
    "Run directory: settings, checkpoints, TensorBoard events, metrics.jsonl, "
    "model.keras. The same command on the same directory goes on where it "
    "was.",
)
SEED = flags.DEFINE_integer(
    "seed",
    0,
    "Chooses the labelled images, initial weights, order and noise.",
    lower_bound=0,
    upper_bound=2**31 - 1,
)
_DISTRIBUTION = flags.DEFINE_enum(
    "distribution",
    "auto",
    config.DISTRIBUTIONS,
    "one_device, mirrored (all GPUs of this machine), or auto: mirrored with "
    "more than one GPU.",
)
_EVAL_BATCH_SIZE = flags.DEFINE_integer(
    "eval_batch_size", 256, "Images a step of evaluation and prediction."
)
_STEPS_PER_EVAL = flags.DEFINE_integer(
    "steps_per_eval",
    0,
    "Steps between evaluations of the averaged weights; 0: only at the end.",
)
_SAVE_CHECKPOINTS_STEPS = flags.DEFINE_integer(
    "save_checkpoints_steps", 1000, "Steps between checkpoints."
)
_KEEP_CHECKPOINT_MAX = flags.DEFINE_integer(
    "keep_checkpoint_max", 5, "Checkpoints to keep; older ones are deleted."
)
_ITERATIONS_PER_LOOP = flags.DEFINE_integer(
    "iterations_per_loop",
    100,
    "Steps in one call on the device, between two updates of progress bar "
    "and summaries.",
)


def run_config() -> config.RunConfig:
    """The group as a dataclass."""
    return config.RunConfig(
        distribution=_DISTRIBUTION.value,
        eval_batch_size=_EVAL_BATCH_SIZE.value,
        steps_per_eval=_STEPS_PER_EVAL.value,
        save_checkpoints_steps=_SAVE_CHECKPOINTS_STEPS.value,
        keep_checkpoint_max=_KEEP_CHECKPOINT_MAX.value,
        iterations_per_loop=_ITERATIONS_PER_LOOP.value,
    )

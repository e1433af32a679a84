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
    "one_device; mirrored: all GPUs of this machine; multi_worker: this is "
    "one of several processes, as TF_CONFIG says; tpu; or auto: multi_worker "
    "where TF_CONFIG has several workers, else mirrored with more than one "
    "GPU.",
)
_USE_TPU = flags.DEFINE_bool(
    "use_tpu", False, "The same as --distribution=tpu."
)
_TPU = flags.DEFINE_string(
    "tpu",
    None,
    "Name of the TPU, or its address grpc://HOST:8470, or local; default: "
    "what TPU_NAME says, or else local. Implies --use_tpu.",
)
_TPU_ZONE = flags.DEFINE_string(
    "tpu_zone", None, "Zone of the TPU; default: this machine's."
)
_GCP_PROJECT = flags.DEFINE_string(
    "gcp_project", None, "Project of the TPU; default: this machine's."
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
        distribution=_distribution(),
        tpu=_TPU.value,
        tpu_zone=_TPU_ZONE.value,
        gcp_project=_GCP_PROJECT.value,
        eval_batch_size=_EVAL_BATCH_SIZE.value,
        steps_per_eval=_STEPS_PER_EVAL.value,
        save_checkpoints_steps=_SAVE_CHECKPOINTS_STEPS.value,
        keep_checkpoint_max=_KEEP_CHECKPOINT_MAX.value,
        iterations_per_loop=_ITERATIONS_PER_LOOP.value,
    )


def _distribution() -> str:
    """As given; `use_tpu` and `tpu` ask for a TPU.

    Raises:
        ValueError: they contradict the distribution.
    """
    named = _DISTRIBUTION.value
    if not (_USE_TPU.value or _TPU.value):
        return named
    if named not in ("auto", "tpu"):
        raise ValueError(
            f"use_tpu and tpu do not go with distribution={named}; leave one "
            "of them out."
        )
    return "tpu"

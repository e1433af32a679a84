r"""Makes a model file of a checkpoint from elsewhere.

Of the original's TF1 checkpoints, the released noisy_student_efficientnet-*
among them, or of keras.applications:

  python tools/import_checkpoint.py --checkpoint=PREFIX \
    --model_name=efficientnet-b0 --output=model.keras
  python tools/import_checkpoint.py --from=keras --checkpoint=B0.weights.h5 \
    --model_name=efficientnet-b0 --output=model.keras

The model takes RGB in [0, 255] and returns logits; --task_name says how many
classes it has and, of the original's, how it normalises (imagenet2012 unless
given); models of Keras normalise as their files say.
"""

import sys
from collections.abc import Callable

import _checkout  # noqa: F401
from absl import app
from absl import flags as absl_flags

import flags
from flags import data, model
from flags.entry import run_planned

_CHECKPOINT = absl_flags.DEFINE_string(
    "checkpoint",
    None,
    "Prefix of a TF1 checkpoint (without .index), or its directory; with "
    "--from=keras a .keras file, or the .h5 file of the weights of "
    "keras.applications' B0 to B7.",
)
_FROM = absl_flags.DEFINE_enum(
    "from", "original", ["original", "keras"], "Whose checkpoint it is."
)
_OUTPUT = absl_flags.DEFINE_string(
    "output", None, "The file to write, ending in .keras."
)
_RAW = absl_flags.DEFINE_bool(
    "raw", False, "The raw weights of the original, not the averaged ones."
)


def main(argv: list[str]) -> None:
    """Checks what can be checked, then imports."""
    run_planned(argv, plan)


def plan() -> Callable[[], None]:
    """Refuses bad flags and paths, and returns the work."""
    from noisy_student import importing

    config = flags.experiment_config()
    return importing.plan_import(
        config.data,
        config.model,
        importing.ImportSettings(
            checkpoint=_CHECKPOINT.value,
            source=_FROM.value,
            output=_OUTPUT.value,
            num_classes=config.data.num_label_classes,
            raw=_RAW.value,
            allow_new_head=config.train.allow_new_head,
        ),
    )


if __name__ == "__main__":
    absl_flags.set_default(data.TASK_NAME, "imagenet2012")
    flags.show_in_help(data, model)
    absl_flags.FLAGS.register_key_flag_for_module(
        sys.argv[0], absl_flags.FLAGS["allow_new_head"]
    )
    app.run(main)

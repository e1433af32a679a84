r"""Makes a model file of a checkpoint from elsewhere.

Of the original's TF1 checkpoints, the released noisy_student_efficientnet-*
among them, of keras.applications, or of timm and the packages of Lite:

  python tools/import_checkpoint.py --checkpoint=PREFIX \
    --model_name=efficientnet-b0 --output=model.keras
  python tools/import_checkpoint.py --from=keras --checkpoint=B0.weights.h5 \
    --model_name=efficientnet-b0 --output=model.keras
  python tools/import_checkpoint.py --from=timm --checkpoint=B0.safetensors \
    --model_name=efficientnet-b0 --output=model.keras

The model takes RGB in [0, 255] and returns logits; --task_name says how many
classes it has and how it normalises (imagenet2012 unless given); but models of
Keras normalise as their files say, and Lite as Lite does.
"""

import _script
from absl import flags as absl_flags

import flags
from noisy_student.config import DataConfig, ModelConfig
from noisy_student.config.tools import ImportSettings


def make_stage():
    """The import that the flags ask for."""
    from noisy_student import stages

    config = flags.experiment_config(as_original=False)
    return stages.ImportWeights(config, flags.read(ImportSettings))


if __name__ == "__main__":
    absl_flags.FLAGS.set_default("task_name", "imagenet2012")
    _script.run(make_stage, ImportSettings, DataConfig, ModelConfig)

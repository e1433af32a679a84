"""Every flag of the program, one file a group.

The library never sees flags: `experiment_config` turns them into the frozen
dataclasses of `noisy_student/config/`.
"""

import sys
import types

from absl import flags as absl_flags

from flags import (
    consistency,
    data,
    input_pipeline,
    model,
    noise,
    predict,
    pseudo_labels,
    run,
    self_training,
    training,
)
from noisy_student.config import ExperimentConfig

GROUPS = (
    run,
    data,
    model,
    noise,
    input_pipeline,
    training,
    consistency,
    pseudo_labels,
    predict,
    self_training,
)


def show_in_help(*groups: types.ModuleType) -> None:
    """Lets a script's `--help` list these groups; none means all."""
    values = absl_flags.FLAGS
    for group in groups or GROUPS:
        for flag in values.flags_by_module_dict()[group.__name__]:
            values.register_key_flag_for_module(sys.argv[0], flag)


def experiment_config() -> ExperimentConfig:
    """All groups as one dataclass.

    Raises:
        ValueError: a flag's value that no run could use.
    """
    return ExperimentConfig(
        mode=run.MODE.value,
        model_dir=run.MODEL_DIR.value,
        seed=run.SEED.value,
        data=data.data_config(),
        model=model.model_config(),
        noise=noise.noise_config(),
        input_pipeline=input_pipeline.input_config(),
        train=training.train_config(),
        consistency=consistency.consistency_config(),
        pseudo_labels=pseudo_labels.pseudo_label_config(),
        predict=predict.predict_config(),
        self_training=self_training.self_training_config(),
        run=run.run_config(),
    )

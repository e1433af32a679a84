"""Every flag of the program, one file a group.

The library never sees flags: `experiment_config` turns them into the frozen
dataclasses of `noisy_student/config.py`.
"""

import types

from absl import flags as absl_flags

from flags import (
    data,
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
    training,
    pseudo_labels,
    predict,
    self_training,
)


def show_in_help(*groups: types.ModuleType) -> None:
    """Lets `--help` list the flags of these groups."""
    for group in groups or GROUPS:
        absl_flags.adopt_module_key_flags(group)


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
        train=training.train_config(),
        pseudo_labels=pseudo_labels.pseudo_label_config(),
        predict=predict.predict_config(),
        self_training=self_training.self_training_config(),
        run=run.run_config(),
    )

"""The settings of an experiment: frozen, typed and checked once.

These dataclasses are the only thing that passes from the flags into the
library. A field has the name of its flag, where there is one, and each class
is one group of flags. `__post_init__` refuses values that no run could use,
before anything expensive starts.
"""

import dataclasses
import pathlib

from noisy_student.config.consistency import (
    ENSEMBLE_DTYPES,
    ConsistencyConfig,
)
from noisy_student.config.images import (
    AUGMENTATIONS,
    DataConfig,
    InputConfig,
    NoiseConfig,
)
from noisy_student.config.model import (
    ALL_REPLICAS,
    DEFAULT_GROUPS,
    NOTHING_FROZEN,
    ModelConfig,
)
from noisy_student.config.self_training import (
    PredictConfig,
    PseudoLabelConfig,
    SelfTrainingConfig,
)
from noisy_student.config.training import (
    DISTRIBUTIONS,
    HARD_LABELS,
    METHODS,
    OPTIMIZERS,
    SCHEDULES,
    RunConfig,
    TrainConfig,
)

__all__ = [
    "ALL_REPLICAS",
    "AUGMENTATIONS",
    "DEFAULT_GROUPS",
    "DISTRIBUTIONS",
    "ENSEMBLE_DTYPES",
    "HARD_LABELS",
    "METHODS",
    "NOTHING_FROZEN",
    "OPTIMIZERS",
    "SCHEDULES",
    "ConsistencyConfig",
    "DataConfig",
    "ExperimentConfig",
    "InputConfig",
    "ModelConfig",
    "NoiseConfig",
    "PredictConfig",
    "PseudoLabelConfig",
    "RunConfig",
    "SelfTrainingConfig",
    "TrainConfig",
]


@dataclasses.dataclass(frozen=True)
class ExperimentConfig:
    """Everything about a run; `config.json` is this.

    Attributes:
        mode: self_train, train, predict or eval.
        model_dir: the run directory; None where nothing is trained.
        seed: of everything that is drawn.
        model: the first teacher's model, or the only one.
    """

    mode: str
    model_dir: str | None
    seed: int
    data: DataConfig
    model: ModelConfig
    noise: NoiseConfig
    input_pipeline: InputConfig
    train: TrainConfig
    consistency: ConsistencyConfig
    pseudo_labels: PseudoLabelConfig
    predict: PredictConfig
    self_training: SelfTrainingConfig
    run: RunConfig

    @property
    def directory(self) -> pathlib.Path:
        """The run directory.

        Raises:
            ValueError: `model_dir` is not set.
        """
        if self.model_dir is None:
            raise ValueError("model_dir must be set.")
        return pathlib.Path(self.model_dir)

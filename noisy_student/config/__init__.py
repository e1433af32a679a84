"""The settings of an experiment: frozen, typed and checked once.

These dataclasses are the only thing that passes from the flags into the
library. Each class is one group of flags, and a field has the name of its
flag. Making an instance refuses values that no run could use, before
anything expensive starts.
"""

import dataclasses
import typing

from etils import epath

from noisy_student.config.consistency import (
    ENSEMBLE_DTYPES,
    ConsistencyConfig,
)
from noisy_student.config.data import (
    AUGMENTATIONS,
    DataConfig,
    InputConfig,
    NoiseConfig,
)
from noisy_student.config.evaluation import EvaluationConfig
from noisy_student.config.export import ExportConfig
from noisy_student.config.model import (
    ALL_REPLICAS,
    DEFAULT_GROUPS,
    NOTHING_FROZEN,
    ModelConfig,
)
from noisy_student.config.paths import to_path
from noisy_student.config.robustness import RobustnessConfig
from noisy_student.config.run import DISTRIBUTIONS, RunConfig
from noisy_student.config.self_training import (
    PredictConfig,
    PseudoLabelConfig,
    SelfTrainingConfig,
)
from noisy_student.config.settings import Settings, setting
from noisy_student.config.training import (
    HARD_LABELS,
    OPTIMIZERS,
    PRETRAINED,
    SCHEDULES,
    TrainConfig,
)

__all__ = [
    "ALL_REPLICAS",
    "AUGMENTATIONS",
    "DEFAULT_GROUPS",
    "DISTRIBUTIONS",
    "ENSEMBLE_DTYPES",
    "GROUPS",
    "HARD_LABELS",
    "MODES",
    "NOTHING_FROZEN",
    "OPTIMIZERS",
    "PRETRAINED",
    "SCHEDULES",
    "ConsistencyConfig",
    "DataConfig",
    "EvaluationConfig",
    "ExperimentConfig",
    "ExportConfig",
    "InputConfig",
    "ModelConfig",
    "NoiseConfig",
    "PredictConfig",
    "PseudoLabelConfig",
    "RobustnessConfig",
    "RunConfig",
    "SelfTrainingConfig",
    "Settings",
    "TrainConfig",
    "setting",
]

MODES = (
    "self_train",
    "train",
    "train_and_eval",
    "eval",
    "robustness",
    "predict",
    "export",
)


@dataclasses.dataclass(frozen=True)
class ExperimentConfig(Settings):
    """What to run, and where.

    With all its groups, it is what a run directory's `config.json` holds. In
    self-training, `model` is the first teacher's. `mode` is train where
    train_and_eval was given.
    """

    mode: str = setting("self_train", choices=MODES)
    """self_train: teacher, pseudo labels, student, and again; train: one
    model, evaluated every --steps_per_eval and at the end; train_and_eval: the
    same as train; eval: the accuracy of a model, or of the newest checkpoint
    of a run that is not finished, on test and validation images; robustness:
    its accuracy on corrupted, perturbed, natural and adversarial images;
    predict: a teacher's probabilities for the unlabelled images, or with
    --image_dir the labels of any images; export: a model as files that need
    nothing of this program."""

    model_dir: str | None = setting(None, none=("",))
    """Run directory: settings, checkpoints, TensorBoard events, metrics.jsonl,
    model.keras. The same command on the same directory goes on where it
    stopped."""

    seed: int = setting(0, at_least=0, at_most=2**31 - 1)
    """Chooses the labelled images, initial weights, order and noise."""

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    noise: NoiseConfig = dataclasses.field(default_factory=NoiseConfig)
    input_pipeline: InputConfig = dataclasses.field(default_factory=InputConfig)
    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
    consistency: ConsistencyConfig = dataclasses.field(
        default_factory=ConsistencyConfig
    )
    pseudo_labels: PseudoLabelConfig = dataclasses.field(
        default_factory=PseudoLabelConfig
    )
    predict: PredictConfig = dataclasses.field(default_factory=PredictConfig)
    self_training: SelfTrainingConfig = dataclasses.field(
        default_factory=SelfTrainingConfig
    )
    evaluation: EvaluationConfig = dataclasses.field(
        default_factory=EvaluationConfig
    )
    robustness: RobustnessConfig = dataclasses.field(
        default_factory=RobustnessConfig
    )
    export: ExportConfig = dataclasses.field(default_factory=ExportConfig)
    run: RunConfig = dataclasses.field(default_factory=RunConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode == "train_and_eval":
            self._resolve(mode="train")

    @property
    def directory(self) -> epath.Path:
        """The run directory.

        Raises:
            ValueError: `model_dir` is not set.
        """
        if self.model_dir is None:
            raise ValueError("model_dir must be set.")
        return to_path(self.model_dir)


# The classes of an experiment's groups by their field, in order.
GROUPS: dict[str, type[Settings]] = {
    name: group
    for name, group in typing.get_type_hints(ExperimentConfig).items()
    if isinstance(group, type) and issubclass(group, Settings)
}

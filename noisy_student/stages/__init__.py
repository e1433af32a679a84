"""What each `--mode`, filtering and importing do, one file each.

`experiment.py` and `training_input.py` are what they share.

A stage is validated first: it opens the images and devices and checks all
that can be wrong, so that bad input costs nothing and touches nothing. Then
it runs, and leaves a finished artefact on disk.
"""

from noisy_student import methods
from noisy_student.config import ExperimentConfig
from noisy_student.stages.base import Stage
from noisy_student.stages.evaluate import Evaluate
from noisy_student.stages.filter import Filter
from noisy_student.stages.import_weights import ImportWeights
from noisy_student.stages.predict import Predict
from noisy_student.stages.reassign import Reassign
from noisy_student.stages.self_train import SelfTrain
from noisy_student.stages.train import Train

__all__ = [
    "Evaluate",
    "Filter",
    "ImportWeights",
    "Predict",
    "Reassign",
    "SelfTrain",
    "Stage",
    "Train",
    "make_stage",
]


def make_stage(config: ExperimentConfig) -> Stage:
    """The stage that `mode` names, with the defaults of the method filled in.

    Raises:
        ValueError: the method is unknown.
    """
    config = methods.with_defaults(config)
    stages: dict[str, type[Stage]] = {
        "self_train": SelfTrain,
        "train": Train,
        "predict": Reassign if config.predict.reassign_label else Predict,
        "eval": Evaluate,
    }
    return stages[config.mode](config)

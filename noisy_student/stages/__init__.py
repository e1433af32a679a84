"""What each `--mode` and the scripts of a run do, one file each.

`experiment.py` and `training_input.py` are what they share.

A stage is validated first: it opens the images and devices and checks all
that can be wrong, so that bad input costs nothing and touches nothing. Then
it runs, and leaves a finished artefact on disk.
"""

import dataclasses

from noisy_student import methods, report
from noisy_student.config import ExperimentConfig
from noisy_student.config.paths import to_path
from noisy_student.config.settings import changed
from noisy_student.files import run_directory
from noisy_student.stages import reporting, training_input
from noisy_student.stages.audit import Audit
from noisy_student.stages.dry_run import DryRun
from noisy_student.stages.evaluate import Evaluate
from noisy_student.stages.experiment import Stage
from noisy_student.stages.export import Export
from noisy_student.stages.filter import Filter
from noisy_student.stages.import_weights import ImportWeights
from noisy_student.stages.label_folder import LabelFolder
from noisy_student.stages.predict import Predict
from noisy_student.stages.reassign import Reassign
from noisy_student.stages.reporting import Report
from noisy_student.stages.robustness import Robustness
from noisy_student.stages.self_train import SelfTrain
from noisy_student.stages.train import Train

__all__ = [
    "Audit",
    "Evaluate",
    "Filter",
    "ImportWeights",
    "Report",
    "Stage",
    "make_stage",
]


def make_stage(config: ExperimentConfig) -> Stage | None:
    """The stage that `mode` names, with the defaults of the method filled in.

    Returns:
        None for a self-training run that is finished: its results are shown.

    Raises:
        ValueError: the method is unknown, or the finished run another one.
    """
    _reach_buckets(config)
    train = config.train.with_init_model()
    config = dataclasses.replace(config, train=train)
    finished = config.mode == "self_train" and report.is_finished(config)
    config = methods.with_defaults(config)
    if finished:
        run_directory.check(config.directory, config)
        print(f"{config.model_dir} is finished:")
        print(report.format_table(report.load_results(config)))
        reporting.show(config.directory)
        return None
    if config.data.image_dir is not None and config.mode != "predict":
        raise ValueError("image_dir is for mode=predict; leave it out.")
    _check_truth(config)
    _check_noised_teacher(config)
    if config.run.dry_run:
        return DryRun(config)
    stages: dict[str, type[Stage]] = {
        "self_train": SelfTrain,
        "train": Train,
        "predict": _predicting(config),
        "eval": Evaluate,
        "robustness": Robustness,
        "export": Export,
    }
    return stages[config.mode](config)


def _reach_buckets(config: ExperimentConfig) -> None:
    """Refuses buckets that cannot be reached, before devices are looked for."""
    for name, value in changed(config).items():
        if name.endswith(("_dir", "_path", "init_weights")):
            for each in value.split(";"):
                to_path(each)


def _check_truth(config: ExperimentConfig) -> None:
    """Refuses true classes where no new pseudo labels are of these images."""
    if config.data.unlabel_truth is None or config.mode == "self_train":
        return
    if config.mode != "predict" or _predicting(config) is not Predict:
        raise ValueError(
            "unlabel_truth is for the pseudo labels of mode=self_train, and of "
            "mode=predict with tools/filter_unlabel.py; leave it out."
        )


def _check_noised_teacher(config: ExperimentConfig) -> None:
    """Refuses a noised teacher where none labels, or without its noise."""
    if not config.noise.noise_teacher:
        return
    if config.mode == "train" or config.data.image_dir is not None:
        raise ValueError(
            "noise_teacher is for the pseudo labels of mode=self_train and "
            "mode=predict; leave it out."
        )
    training_input.check_noise(config)


def _predicting(config: ExperimentConfig) -> type[Stage]:
    if config.data.image_dir is not None:
        return LabelFolder
    return Reassign if config.predict.reassign_label else Predict

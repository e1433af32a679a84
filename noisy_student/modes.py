"""What each `--mode` does.

A mode is planned first: its function opens the images and devices, checks
all that can be wrong, and returns the work. So bad input costs nothing and
touches nothing.
"""

import dataclasses
import json
import pathlib
from collections.abc import Callable

from noisy_student import (
    experiment,
    labeling,
    methods,
    pseudo_labels,
    report,
    run_directory,
    self_training,
)
from noisy_student.config import ExperimentConfig
from noisy_student.models import scaling
from noisy_student.training import distribution

Work = Callable[[], None]


def plan(config: ExperimentConfig) -> Work:
    """Checks an experiment and returns its work.

    Raises:
        ValueError: what is wrong, where, and what to do about it.
    """
    return _PLANS[config.mode](config)


def _self_train(config: ExperimentConfig) -> Work:
    directory = config.directory
    run_directory.check(directory, config)
    if config.train.method == "supervised":
        raise ValueError(
            "mode=self_train needs unlabel_ratio above 0 and a method with "
            "unlabelled images; use mode=train for a supervised model."
        )
    self_training.check_models(config)
    data = labeling.open_images(config)
    data.require_unlabeled()
    strategy = distribution.make_strategy(config.run.distribution)
    for number in range(config.self_training.num_iterations + 1):
        model = self_training.generation_model(config, number)
        train = self_training.generation_train(config, number)
        experiment.check_training(config, model, train, data, strategy)
    run_directory.claim(directory, config)
    run_directory.write_class_names(directory, data.class_names)

    def work() -> None:
        with strategy.scope():
            results = self_training.self_train(config, data)
        print(report.format_table(results))

    return work


def _train(config: ExperimentConfig) -> Work:
    directory = config.directory
    run_directory.check(directory, config)
    scaling.get_scaling(config.model.model_name)
    methods.make_method(config.train)
    pseudo_label_dir = _pseudo_label_dir(config)
    data = labeling.open_images(config)
    if pseudo_label_dir:
        pseudo_labels.check_images(pseudo_label_dir, data.identity)
    strategy = distribution.make_strategy(config.run.distribution)
    experiment.check_training(
        config, config.model, config.train, data, strategy
    )
    run_directory.claim(directory, config)
    run_directory.write_class_names(directory, data.class_names)

    def work() -> None:
        with strategy.scope():
            metrics = experiment.train_model(
                config,
                data,
                directory,
                experiment.model_for_task(config, config.model, data),
                config.train,
                pseudo_label_dir,
                seed=config.seed,
            )
        print(json.dumps(metrics))

    return work


def _eval(config: ExperimentConfig) -> Work:
    path = labeling.existing_model(config)
    data = labeling.open_images(config)
    if config.predict.predict_ckpt_path is None:
        run_directory.check_images(config.directory, config)
    strategy = distribution.make_strategy(config.run.distribution)

    def work() -> None:
        with strategy.scope():
            accuracy = experiment.evaluate_model(config, data, path)
        print(json.dumps(dataclasses.asdict(accuracy)))

    return work


_PLANS = {
    "self_train": _self_train,
    "train": _train,
    "predict": labeling.plan_predict,
    "eval": _eval,
}


def _pseudo_label_dir(config: ExperimentConfig) -> pathlib.Path | None:
    """The records that the method learns from; None where it needs none."""
    if config.train.method == "supervised":
        if config.data.unlabel_data_dir is not None:
            raise ValueError(
                "unlabel_data_dir needs unlabel_ratio above 0 and a method "
                "with unlabelled images."
            )
        return None
    if config.data.unlabel_data_dir is None:
        raise ValueError(
            f"unlabel_ratio={config.train.unlabel_ratio} needs "
            "pseudo-labelled images: set unlabel_data_dir to the output_dir "
            "of tools/filter_unlabel.py."
        )
    directory = pathlib.Path(config.data.unlabel_data_dir)
    pseudo_labels.record_paths(directory)
    return directory

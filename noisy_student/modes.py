"""What each `--mode` does.

A mode is planned first: its function opens the images and devices, checks
all that can be wrong, and returns the work. So bad input costs nothing and
touches nothing.
"""

import json
import pathlib
from collections.abc import Callable

from noisy_student import (
    experiment,
    inputs,
    labeling,
    methods,
    pseudo_labels,
    report,
    self_training,
)
from noisy_student.config import ExperimentConfig
from noisy_student.data import sources
from noisy_student.files import run_directory
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
    directory, train = config.directory, config.train
    if not methods.find(train.method).needs_teacher:
        raise ValueError(
            "mode=self_train needs unlabel_ratio above 0 and a method that "
            f"learns from a teacher; use mode=train for {train.method}."
        )
    for name in ("teacher_model_path", "train_last_step_num"):
        if getattr(train, name) is not None:
            raise ValueError(f"{name} is for mode=train; leave it out.")
    self_training.check_models(config)
    devices = distribution.make_devices(config.run)

    def check() -> sources.TaskData:
        run_directory.check(directory, config)
        data = labeling.open_images(config)
        data.require_unlabeled()
        for number in range(config.self_training.num_iterations + 1):
            model = self_training.generation_model(config, number)
            train = self_training.generation_train(config, number)
            experiment.check_training(config, model, train, data, devices)
        return data

    data = _checked_and_claimed(config, devices, check)

    def work() -> None:
        with devices.watching_workers():
            results = self_training.self_train(config, data, devices)
        if devices.is_chief:
            print(report.format_table(results))

    return work


def _train(config: ExperimentConfig) -> Work:
    scaling.get_scaling(config.model.model_name)
    records = _records(config)
    devices = distribution.make_devices(config.run)

    def check() -> sources.TaskData:
        run_directory.check(config.directory, config)
        data = labeling.open_images(config)
        if records:
            pseudo_labels.check_images(records, data.identity)
            pseudo_labels.check_number(records, devices.num_workers)
        experiment.check_training(
            config, config.model, config.train, data, devices, records
        )
        experiment.load_teacher(config, data)
        return data

    data = _checked_and_claimed(config, devices, check)
    with devices.watching_workers(), devices.strategy.scope():
        teacher = experiment.load_teacher(config, data)

    def work() -> None:
        with devices.watching_workers():
            metrics = experiment.train_model(
                config,
                data,
                devices,
                config.directory,
                experiment.model_for_task(config, config.model, data),
                config.train,
                inputs.Teaching(records, teacher),
                seed=config.seed,
            )
        if devices.is_chief:
            print(json.dumps(metrics))

    return work


def _checked_and_claimed(
    config: ExperimentConfig,
    devices: distribution.Devices,
    check: Callable[[], sources.TaskData],
) -> sources.TaskData:
    """Checks a run on the chief, which claims its directory, then on others.

    These thus meet the chief's settings, and refuse to run with others.
    """
    with devices.watching_workers():
        if not devices.is_chief:
            devices.wait_for_all()
            return check()
        data = check()
        run_directory.claim(config.directory, config)
        run_directory.write_class_names(config.directory, data.class_names)
        devices.wait_for_all()
        return data


def _eval(config: ExperimentConfig) -> Work:
    path = labeling.existing_model(config)
    devices = distribution.make_devices(config.run)
    data = labeling.open_images(config)
    if config.predict.predict_ckpt_path is None:
        run_directory.check_images(config.directory, config)
    distribution.check_batch_size(
        "eval_batch_size",
        config.run.eval_batch_size,
        devices.strategy.num_replicas_in_sync,
    )

    def work() -> None:
        with devices.watching_workers():
            accuracy = experiment.evaluate_model(config, data, devices, path)
        if devices.is_chief:
            print(json.dumps(accuracy))

    return work


_PLANS = {
    "self_train": _self_train,
    "train": _train,
    "predict": labeling.plan_predict,
    "eval": _eval,
}


def _records(config: ExperimentConfig) -> pathlib.Path | None:
    """The pseudo-labelled records to learn from; None where there are none."""
    train, given = config.train, config.data.unlabel_data_dir
    if not methods.find(train.method).needs_teacher:
        if given is not None or train.teacher_model_path is not None:
            raise ValueError(
                "unlabel_data_dir and teacher_model_path need unlabel_ratio "
                "above 0 and a method that learns from a teacher; "
                f"{train.method} does not."
            )
        return None
    if given is None:
        # Without a ratio, that is what the method's own check complains of.
        if train.teacher_model_path is None and train.unlabel_ratio:
            raise ValueError(
                f"unlabel_ratio={train.unlabel_ratio} needs pseudo-labelled "
                "images or a teacher: set unlabel_data_dir to the output_dir "
                "of tools/filter_unlabel.py, or set teacher_model_path."
            )
        return None
    directory = pathlib.Path(given)
    pseudo_labels.record_paths(directory)
    return directory

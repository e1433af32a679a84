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
    methods,
    models,
    pseudo_labels,
    report,
    run_directory,
    self_training,
)
from noisy_student.config import ExperimentConfig
from noisy_student.data import sources
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
    data = _open(config)
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
    data = _open(config)
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


def _predict(config: ExperimentConfig) -> Work:
    output_dir = _required(config.predict.output_dir, "output_dir")
    teacher = _existing_model(config)
    files = _prediction_files(config, output_dir)
    shards = list(config.predict.shard_id) or list(range(files.num_shards))
    unknown = set(shards) - set(range(files.num_shards))
    if unknown:
        raise ValueError(
            f"shard_id must be below num_shards={files.num_shards}; got "
            f"{', '.join(map(str, sorted(unknown)))}."
        )
    data = _open(config)
    data.require_unlabeled()
    strategy = distribution.make_strategy(config.run.distribution)

    def work() -> None:
        run_directory.write_class_names(output_dir, data.class_names)
        with strategy.scope():
            experiment.label_images(config, data, teacher, files, shards)

    return work


def _eval(config: ExperimentConfig) -> Work:
    path = _existing_model(config)
    data = _open(config)
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
    "predict": _predict,
    "eval": _eval,
}


def plan_filter(config: ExperimentConfig, prediction_dir: str | None) -> Work:
    """Checks what tools/filter_unlabel.py needs and returns its work.

    Raises:
        ValueError: what is wrong, where, and what to do about it.
    """
    output_dir = _required(config.predict.output_dir, "output_dir")
    files = _prediction_files(
        config, _required(prediction_dir, "prediction_dir")
    )
    files.check_complete()
    data = _open(config)
    data.require_unlabeled()
    pseudo_labels.check(
        data, files, output_dir, config.pseudo_labels, config.seed
    )

    def work() -> None:
        stats = pseudo_labels.filter_and_balance(
            data, files, output_dir, config.pseudo_labels, config.seed
        )
        print(json.dumps(dataclasses.asdict(stats)))

    return work


def _required(directory: str | None, flag: str) -> pathlib.Path:
    if directory is None:
        raise ValueError(f"{flag} must be set.")
    return pathlib.Path(directory)


def _prediction_files(
    config: ExperimentConfig, directory: pathlib.Path
) -> pseudo_labels.PredictionFiles:
    info_dir = config.predict.info_dir
    return pseudo_labels.PredictionFiles(
        directory,
        pathlib.Path(info_dir) if info_dir else directory / "info",
        config.pseudo_labels.num_shards,
    )


def _open(config: ExperimentConfig) -> sources.TaskData:
    return sources.open_task(config.data, config.seed)


def _existing_model(config: ExperimentConfig) -> pathlib.Path:
    """The model that mode=predict and mode=eval use."""
    named = config.predict.predict_ckpt_path
    if named is not None:
        path = pathlib.Path(named)
    elif config.model_dir is not None:
        path = config.directory / run_directory.MODEL_FILE
    else:
        raise ValueError("predict_ckpt_path or model_dir must be set.")
    models.check_model_file(path)
    return path


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

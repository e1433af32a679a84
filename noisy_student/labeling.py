"""Plans the two steps between teacher and student: predict and filter.

As in `modes.py`, all that can be wrong is checked before the work.
"""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Callable

from absl import logging

from noisy_student import experiment, models, pseudo_labels
from noisy_student.config import ExperimentConfig
from noisy_student.data import sources, tfrecords
from noisy_student.data.open import open_task
from noisy_student.files import run_directory
from noisy_student.pseudo_labels import beam
from noisy_student.pseudo_labels import filter as filtering
from noisy_student.training import distribution

Work = Callable[[], None]

_OF_PREDICTIONS = ("images", "teacher")  # of all that filtering is made from


@dataclasses.dataclass(frozen=True)
class FilterSettings:
    """What only tools/filter_unlabel.py knows.

    Attributes:
        prediction_dir: the `output_dir` of mode=predict.
        prelim_stats_dir: of the counts; None is `output_dir`/counts.
        task: which of `total_replicas` parts of each shard; None is all.
        only_get_stats: count, and do not write.
        runner: of Apache Beam; None does without.
        beam_args: more of Beam's options.
    """

    prediction_dir: str | None
    prelim_stats_dir: str | None = None
    task: int | None = None
    only_get_stats: bool = False
    runner: str | None = None
    beam_args: tuple[str, ...] = ()


def plan_predict(config: ExperimentConfig) -> Work:
    """Labels the unlabelled images, or filtered ones anew.

    Raises:
        ValueError: what is wrong, where, and what to do about it.
    """
    output_dir = required_directory(config.predict.output_dir, "output_dir")
    teacher = existing_model(config)
    if config.predict.reassign_label:
        return _plan_reassign(config, output_dir, teacher)
    files = _prediction_files(config, output_dir)
    parts = files.division.parts(
        config.predict.shard_id, config.predict.worker_id
    )
    devices = _own_devices(config)
    data = open_images(config)
    data.require_unlabeled()

    def work() -> None:
        run_directory.write_class_names(output_dir, data.class_names)
        experiment.label_images(config, data, devices, teacher, files, parts)

    return work


def _own_devices(config: ExperimentConfig) -> distribution.Devices:
    """Those that predict; processes divide the work by flags, not by step.

    Raises:
        ValueError: `multi_worker`.
    """
    if config.run.distribution == "multi_worker":
        raise ValueError(
            "distribution=multi_worker is for training; mode=predict is "
            "divided by shard_id and worker_id."
        )
    return distribution.make_devices(config.run, several_workers=False)


def _plan_reassign(
    config: ExperimentConfig, output_dir: pathlib.Path, teacher: pathlib.Path
) -> Work:
    """Labels filtered images with another teacher: all of them are kept.

    The records are images like any others, so that they are predicted and,
    with `use_all`, written by the same functions.
    """
    filtered = required_directory(
        config.data.unlabel_data_dir, "unlabel_data_dir"
    )
    if config.predict.shard_id or config.predict.worker_id is not None:
        raise ValueError(
            "reassign_label does all shards; leave out shard_id and worker_id."
        )
    if filtered.resolve() == output_dir.resolve():
        raise ValueError(
            f"output_dir and unlabel_data_dir are both {filtered}; name "
            "another output_dir."
        )
    paths = pseudo_labels.record_paths(filtered)
    devices = _own_devices(config)
    data = open_images(config)
    pseudo_labels.check_images(filtered, data.identity)
    data = dataclasses.replace(
        data,
        unlabeled=tfrecords.from_files(paths, str(filtered)),
        identity=data.identity | _reassigned_from(filtered),
    )
    settings = dataclasses.replace(
        config.pseudo_labels,
        num_shards=len(paths),
        total_replicas=1,
        use_all=True,
    )
    files = pseudo_labels.PredictionFiles(
        output_dir / "predictions",
        output_dir / "info",
        pseudo_labels.Division.of(settings),
    )
    made_from = filtering.settings_of(
        data, experiment.teacher_digest(teacher), settings, config.seed
    )
    filtering.check_settings(output_dir, made_from)
    files.check_made_from({key: made_from[key] for key in _OF_PREDICTIONS})

    def work() -> None:
        experiment.label_images(config, data, devices, teacher, files)
        stats = pseudo_labels.filter_and_balance(
            data, files, output_dir, settings, config.seed
        )
        print(json.dumps(dataclasses.asdict(stats)))

    return work


def _reassigned_from(filtered: pathlib.Path) -> dict[str, str]:
    """Tells filtered images from others, for their identity."""
    stats = (filtered / pseudo_labels.STATS_FILE).read_bytes()
    place = str(filtered.resolve()).encode()
    digest = hashlib.sha256(place + b"\0" + stats).hexdigest()
    return {pseudo_labels.REASSIGNED_FROM: digest}


def plan_filter(config: ExperimentConfig, settings: FilterSettings) -> Work:
    """Filters and balances what was predicted.

    Raises:
        ValueError: what is wrong, where, and what to do about it.
    """
    if config.predict.worker_id is not None:
        raise ValueError("worker_id is for mode=predict; filtering has task.")
    # Absolute, for workers of Beam that start elsewhere.
    output_dir = required_directory(
        config.predict.output_dir, "output_dir"
    ).absolute()
    prediction_dir = required_directory(
        settings.prediction_dir, "prediction_dir"
    ).absolute()
    files = _prediction_files(config, prediction_dir)
    parts = files.division.parts(config.predict.shard_id, settings.task)
    if settings.runner is not None:
        beam.check(settings.runner, settings.beam_args)
        if len(parts) < len(files.division.parts()) or settings.only_get_stats:
            raise ValueError(
                "runner does all parts and both phases; leave out shard_id, "
                "task and only_get_stats."
            )
    data = open_images(config)
    counts_dir = settings.prelim_stats_dir
    job = filtering.plan(
        data,
        files,
        output_dir,
        config.pseudo_labels,
        config.seed,
        pathlib.Path(counts_dir).absolute() if counts_dir else None,
        parts if settings.only_get_stats else None,
    )

    def work() -> None:
        run_directory.write_class_names(output_dir, data.class_names)
        balance = None
        if settings.runner is not None:
            arguments = settings.beam_args
            beam.run(job, config.data, config.seed, settings.runner, arguments)
        else:
            filtering.count_parts(job, parts)
            if settings.only_get_stats:
                _print_counts(job)
                return
            balance = filtering.write_parts(job, data, parts)
        missing = filtering.missing_parts(job)
        if missing:
            _log_missing("written", missing)
            return
        stats = filtering.finish(job, balance)
        print(json.dumps(dataclasses.asdict(stats)))

    return work


def _print_counts(job: filtering.FilterJob) -> None:
    """The thresholds, once the counts of all parts are there."""
    missing = filtering.uncounted_parts(job)
    if missing:
        _log_missing("counted", missing)
        return
    balance = filtering.choose(job)
    names = ("thresholds", "totals", "copies")
    values = {name: getattr(balance, name).tolist() for name in names}
    predicted = balance.counts.sum(axis=1).tolist()
    print(json.dumps({"predicted": predicted} | values))


def _log_missing(verb: str, parts: list[pseudo_labels.Part]) -> None:
    names = ", ".join(map(str, parts))
    logging.warning("Not %s yet are the shards %s.", verb, names)


def required_directory(directory: str | None, flag: str) -> pathlib.Path:
    """The path that a flag gives.

    Raises:
        ValueError: it is not set.
    """
    if directory is None:
        raise ValueError(f"{flag} must be set.")
    return pathlib.Path(directory)


def open_images(config: ExperimentConfig) -> sources.TaskData:
    """The images of an experiment."""
    return open_task(config.data, config.seed)


def existing_model(config: ExperimentConfig) -> pathlib.Path:
    """The model that mode=predict and mode=eval use.

    Raises:
        ValueError: none is named, or there is none.
    """
    named = config.predict.predict_ckpt_path
    if named is not None:
        path = pathlib.Path(named)
    elif config.model_dir is not None:
        path = config.directory / run_directory.MODEL_FILE
    else:
        raise ValueError("predict_ckpt_path or model_dir must be set.")
    models.check_model_file(path)
    return path


def _prediction_files(
    config: ExperimentConfig, directory: pathlib.Path
) -> pseudo_labels.PredictionFiles:
    info_dir = config.predict.info_dir
    return pseudo_labels.PredictionFiles(
        directory,
        pathlib.Path(info_dir).absolute() if info_dir else directory / "info",
        pseudo_labels.Division.of(config.pseudo_labels),
    )

"""Run directories: whose they are, and the files with fixed names in them.

Imports nothing heavy, so that a finished run can say so at once.
"""

import dataclasses
import typing
from collections.abc import Sequence
from typing import Any, TypeVar

from etils import epath

from noisy_student.config import (
    GROUPS,
    ExperimentConfig,
    ModelConfig,
    Settings,
)
from noisy_student.config.settings import rule_of
from noisy_student.files import lock, remote, stamps, writing

CONFIG_FILE = "config.json"
MODEL_FILE = "model.keras"
METRICS_FILE = "metrics.jsonl"
CLASSES_FILE = "classes.txt"
STATS_FILE = "stats.json"  # beside filtered pseudo labels

_Settings = TypeVar("_Settings", bound=Settings)

# Settings that change where and how a run goes, not what it computes.
_FREE = (
    "model_dir",
    "run",
    "predict",
    "evaluation",
    "robustness",
    "export",
    "tfds_data_dir",
    "unlabel_truth",
    "num_iterations",
    "early_stopping_students",
    "num_parallel_calls",
    "cache_mib",
    "use_cache",
    "noise_on",
    "force_ensemble",
    "samples_per_class",
    "keep_pseudo_labels",
    "evaluate_robustness",
    "teacher_run_dir",
)
# Settings that decide what is kept of the pseudo labels.
_FILTERING = (
    "num_image",
    "min_threshold",
    "max_prob",
    "upsample",
    "use_top",
    "use_all",
)
# Settings that choose the labelled and the test images.
_IMAGES = (
    "task_name",
    "label_data_dir",
    "labels_csv",
    "label_split",
    "test_split",
    "test_fraction",
    "validation_split",
    "validation_fraction",
    "num_labeled",
)


def claim(directory: epath.Path, config: ExperimentConfig) -> None:
    """Writes `config.json`, or checks that this experiment wrote it.

    Raises:
        ValueError: the directory belongs to something else; nothing in it
            was touched.
    """
    check(directory, config)
    writing.write_json(directory / CONFIG_FILE, dataclasses.asdict(config))


def check(directory: epath.Path, config: ExperimentConfig) -> None:
    """Refuses a directory of another experiment; see `claim`."""
    if directory.exists() and not directory.is_dir():
        raise ValueError(f"model_dir {directory} is a file.")
    if (directory / CONFIG_FILE).exists():
        if changes := differences(directory, config):
            raise ValueError(
                f"model_dir {directory} holds another experiment: {changes}. "
                "Name another directory, or give the same flags to go on."
            )
    elif directory.is_dir() and any(map(_is_foreign, directory.iterdir())):
        raise ValueError(
            f"model_dir {directory} is not empty and has no {CONFIG_FILE}; "
            "name a new directory."
        )


def differences(
    directory: epath.Path, config: ExperimentConfig, ignored: Sequence[str] = ()
) -> str:
    """How settings differ from those of the run in a directory, in words.

    Args:
        directory: has `config.json`.
        config: the settings at hand.
        ignored: names of settings and groups that make no difference, besides
            those that never do.

    Returns:
        "seed=0 there and 1 here; ..."; "" if there is no difference.
    """
    theirs = _read_values(directory / CONFIG_FILE)
    ours = dataclasses.asdict(config)
    free = [*_free(directory, theirs, ours), *ignored]
    return stamps.differences(theirs, ours, free)


def _read_values(path: epath.Path) -> dict[str, Any]:
    """Reads `config.json`; switches that it does not know are at their default.

    None, which a missing setting counts as, is no state of a switch.
    """
    values = writing.read_json(path)
    for name, group in GROUPS.items():
        for field in dataclasses.fields(group):  # type: ignore[arg-type]
            if isinstance(field.default, bool) and name in values:
                values[name].setdefault(field.name, field.default)
    return values


def _free(
    directory: epath.Path, theirs: dict[str, Any], ours: dict[str, Any]
) -> list[str]:
    """The settings that may differ from those of a run so far.

    Those of robustness may not where all generations are measured by them;
    those of filtering may until something is filtered, so that a threshold
    that keeps nothing costs no teacher.
    """
    measured = all(
        settings.get("self_training", {}).get("evaluate_robustness")
        for settings in (theirs, ours)
    )
    free = [n for n in _FREE if n != "robustness" or not measured]
    if not remote.glob(directory, f"generation_*/*/{STATS_FILE}"):
        free += _FILTERING
    return free


def check_images(directory: epath.Path, config: ExperimentConfig) -> None:
    """Refuses to evaluate a run on other images than its test images.

    Raises:
        ValueError: its seed or data flags differ: its training images could
            be among these.
    """
    path = directory / CONFIG_FILE
    if not path.exists():
        return

    def choice_of_images(settings: dict) -> dict:
        data = {key: settings["data"].get(key) for key in _IMAGES}
        return {"seed": settings["seed"]} | data

    theirs = choice_of_images(writing.read_json(path))
    flags = " ".join(
        f"--{name}={value}" for name, value in theirs.items() if value
    )
    stamps.check_same(
        theirs,
        choice_of_images(dataclasses.asdict(config)),
        f"The run in {directory} was trained on other images: {{changes}}. "
        f"Add its flags, {flags}, or name the model by --predict_ckpt_path.",
    )


def read_config(directory: epath.Path) -> ExperimentConfig:
    """The settings of a run, as its `config.json` says.

    A setting that an earlier version did not know has its default.

    Raises:
        ValueError: there is no run in the directory.
    """
    path = directory / CONFIG_FILE
    if not path.exists():
        raise ValueError(
            f"There is no run in {directory}, which has no {CONFIG_FILE}; "
            "name the model_dir of a run."
        )
    values = writing.read_json(path)
    groups = {
        name: _read_settings(group, values.get(name, {}))
        for name, group in typing.get_type_hints(ExperimentConfig).items()
        if isinstance(group, type) and issubclass(group, Settings)
    }
    return _read_settings(ExperimentConfig, values, **groups)


def _read_settings(
    group: type[_Settings], values: dict[str, Any], **more: Any
) -> _Settings:
    """Makes a group of settings of JSON values, which have lists for tuples."""
    found = {
        field.name: values[field.name]
        for field in dataclasses.fields(group)  # type: ignore[arg-type]
        if rule_of(field) is not None and field.name in values
    }
    tuples = {k: tuple(v) for k, v in found.items() if isinstance(v, list)}
    return group(**found | tuples | more)


def read_model(directory: epath.Path) -> tuple[ModelConfig, int | None]:
    """The model that a run trains, as its `config.json` says.

    Returns:
        The model's settings, and `input_image_size`, the side in pixels of
        its images; None where the task or the model decides.
    """
    settings = writing.read_json(directory / CONFIG_FILE)
    model = _read_settings(ModelConfig, settings["model"])
    return model, settings["data"]["input_image_size"]


def generation_directory(directory: epath.Path, number: int) -> epath.Path:
    """The run directory of a generation of self-training."""
    return directory / f"generation_{number:02d}"


def fine_tuning_directory(directory: epath.Path) -> epath.Path:
    """The run directory of a fine-tuning of the model of a generation."""
    return directory / "finetune"


def generation_models(directory: epath.Path) -> list[epath.Path]:
    """The models of a self-training run, as far as it is, the teacher first.

    A model that was fine-tuned counts, not the one that it started from.
    """
    models: list[epath.Path] = []
    while True:
        trained = generation_directory(directory, len(models))
        tuned = fine_tuning_directory(trained)
        model = (tuned if tuned.exists() else trained) / MODEL_FILE
        if not model.exists():
            return models
        models.append(model)


def read_class_names(directory: epath.Path) -> tuple[str, ...] | None:
    """The names in `classes.txt`, in order; None where there is none."""
    path = directory / CLASSES_FILE
    if not path.exists():
        return None
    text = path.read_text(encoding="utf-8")
    return tuple(text.removesuffix("\n").split("\n"))


def write_class_names(
    directory: epath.Path, names: tuple[str, ...] | None
) -> None:
    """Leaves `classes.txt`, one name per line, where the names are known."""
    if names is not None:
        text = "".join(f"{name}\n" for name in names)
        writing.write_text(directory / CLASSES_FILE, text)


def _is_foreign(path: epath.Path) -> bool:
    """Whether this is not among the first files of a run."""
    ours = path.name in (CONFIG_FILE, lock.LOCK_FILE)
    return not ours and not writing.is_temporary(path)

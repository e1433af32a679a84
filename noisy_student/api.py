"""The stages as functions, on a program's own `tf.data.Dataset`s.

Each takes the images as `data.datasets.Images` has them, and settings by the
names of the flags. What it leaves in `model_dir` or `output_dir` is what the
scripts leave there, and a call that is repeated goes on where it stopped.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

from etils import epath

from noisy_student import report, stages
from noisy_student.config import ExperimentConfig, named
from noisy_student.config.paths import to_path
from noisy_student.config.tools import FilterSettings
from noisy_student.data import registered
from noisy_student.data.datasets import Images
from noisy_student.errors import InputError
from noisy_student.files import metrics_file
from noisy_student.pseudo_labels import PseudoLabelStats

_OF_IMAGES = tuple(field.name for field in dataclasses.fields(Images))
_OF_FILES = (
    "mode",
    "task_name",
    "label_data_dir",
    "unlabel_image_dir",
    "image_dir",
    "file_prefix",
    "label_split",
    "unlabel_split",
    "test_split",
    "validation_split",
)


def self_train(**arguments: Any) -> dict[str, Any]:
    """Trains a teacher, and then students on images that teachers label.

    Args:
        **arguments: `labeled`, `unlabeled` and `test`, with the rest of
            `Images`; `model_dir` and other settings of `--mode=self_train`.

    Returns:
        What `results.json` holds: `generations`, a dict of each model, the
        first teacher's first.

    Raises:
        ValueError: An argument that cannot be; nothing was touched.
    """
    config = _run("self_train", arguments, ("labeled", "unlabeled", "test"))
    return report.load_results(config)


def train(**arguments: Any) -> dict[str, Any]:
    """Trains one model.

    Args:
        **arguments: `labeled` and `test`, with the rest of `Images`;
            `model_dir` and other settings of `--mode=train`. To learn from
            pseudo labels, `unlabel_data_dir` is the `output_dir` of `filter`.

    Returns:
        The scores on the test images by name.

    Raises:
        ValueError: See `self_train`.
    """
    config = _run("train", arguments, ("labeled", "test"))
    return metrics_file.read(config.directory)[-1]


def predict(**arguments: Any) -> epath.Path:
    """Labels the unlabelled images with a model.

    Args:
        **arguments: `unlabeled`, with the rest of `Images`; `model_dir` or
            `predict_ckpt_path`, `output_dir` and other settings of
            `--mode=predict`.

    Returns:
        The directory of the probabilities, for `filter`.

    Raises:
        ValueError: See `self_train`.
    """
    config = _run("predict", arguments, ("unlabeled",))
    return to_path(str(config.predict.output_dir))


def filter(**arguments: Any) -> PseudoLabelStats:
    """Keeps the images that a model is sure of, balanced over the classes.

    Args:
        **arguments: Those of `predict` that say which images they are;
            `prediction_dir`, its directory; `output_dir` and other settings
            of tools/filter_unlabel.py.

    Returns:
        What was kept.

    Raises:
        ValueError: See `self_train`.
    """
    with _open(arguments, ("unlabeled",)) as (name, others):
        config, settings = named.experiment(others, FilterSettings)
        _carry_out(stages.Filter(_of(name, config), settings))
    return PseudoLabelStats.load(to_path(str(config.predict.output_dir)))


def evaluate(**arguments: Any) -> dict[str, Any]:
    """Measures a model on the test images.

    Args:
        **arguments: `test`, with the rest of `Images`; `model_dir`,
            `predict_ckpt_path` or `model_path` and other settings of
            `--mode=eval`. A run wants the images that it was trained on, too.

    Returns:
        The scores by name; of a run of self-training, those of its newest
        model.

    Raises:
        ValueError: See `self_train`.
    """
    with _open(arguments, ("test",)) as (name, others):
        (config,) = named.experiment(others)
        stage = stages.Evaluate(_of(name, config))
        _carry_out(stage)
    return stage.metrics


def _run(
    mode: str, arguments: dict[str, Any], needed: tuple[str, ...]
) -> ExperimentConfig:
    """Runs the stage of a mode, and returns its settings."""
    with _open(arguments, needed) as (name, others):
        (config,) = named.experiment({"mode": mode} | others)
        config = _of(name, config)
        stage = stages.make_stage(config)
        if stage is not None:
            _carry_out(stage)
    return config


def _carry_out(stage: stages.Stage) -> None:
    stage.validate()
    stage.run()


@contextlib.contextmanager
def _open(
    arguments: dict[str, Any], needed: tuple[str, ...]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Opens the images among the arguments while the block runs.

    Yields:
        The name of their task, and the other arguments.
    """
    own = {k: v for k, v in arguments.items() if k in _OF_IMAGES}
    others = {k: v for k, v in arguments.items() if k not in own}
    for name in needed:
        if own.get(name) is None:
            raise InputError(f"{name} must be given, a tf.data.Dataset.")
    for name in _OF_FILES:
        if name in others:
            raise InputError(
                f"{name} is for images in files, and these are datasets; leave "
                "it out."
            )
    data = Images(**own).open()
    with registered.task(data.task.name, data):
        yield data.task.name, others


def _of(name: str, config: ExperimentConfig) -> ExperimentConfig:
    """The settings for the images of a registered task."""
    data = dataclasses.replace(config.data, task_name=name)
    return dataclasses.replace(config, data=data)

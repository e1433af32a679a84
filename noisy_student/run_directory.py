"""Run directories: whose they are, what is finished, how it evaluated.

Imports nothing heavy, so that a finished run can say so at once.
"""

import contextlib
import dataclasses
import json
import pathlib
import uuid
from typing import Any

from noisy_student.config import ExperimentConfig
from noisy_student.errors import disk_error

CONFIG_FILE = "config.json"
MODEL_FILE = "model.keras"
METRICS_FILE = "metrics.jsonl"
CLASSES_FILE = "classes.txt"

# These change where and how a run goes, not what it computes.
_FREE = (
    "model_dir",
    "run",
    "predict",
    "tfds_data_dir",
    "num_iterations",
    "num_parallel_calls",
    "cache_mib",
    "force_ensemble",
)


def claim(directory: pathlib.Path, config: ExperimentConfig) -> None:
    """Writes `config.json`, or checks that this experiment wrote it.

    Raises:
        ValueError: the directory belongs to something else; nothing in it
            was touched.
    """
    check(directory, config)
    write_json(directory / CONFIG_FILE, dataclasses.asdict(config))


def check(directory: pathlib.Path, config: ExperimentConfig) -> None:
    """Refuses a directory of another experiment; see `claim`."""
    path = directory / CONFIG_FILE
    if directory.exists() and not directory.is_dir():
        raise ValueError(f"model_dir {directory} is a file.")
    if not path.exists():
        if directory.is_dir() and any(map(_is_foreign, directory.iterdir())):
            raise ValueError(
                f"model_dir {directory} is not empty and has no "
                f"{CONFIG_FILE}; name a new directory."
            )
        return
    theirs = flatten(json.loads(path.read_text()))
    ours = flatten(dataclasses.asdict(config))
    changed = differences(theirs, ours)
    if changed:
        raise ValueError(
            f"model_dir {directory} holds another experiment: {changed}. Name "
            "another directory, or give the same flags to go on."
        )


def check_images(directory: pathlib.Path, config: ExperimentConfig) -> None:
    """Refuses to evaluate a run on other images than its test images.

    Raises:
        ValueError: its seed or data flags differ: its training images could
            be among these.
    """
    path = directory / CONFIG_FILE
    if not path.exists():
        return
    theirs = json.loads(path.read_text())
    ours = dataclasses.asdict(config)
    keys = (
        "task_name",
        "label_data_dir",
        "label_split",
        "test_split",
        "num_labeled",
    )
    changed = differences(
        {"seed": theirs["seed"]} | {k: theirs["data"].get(k) for k in keys},
        {"seed": ours["seed"]} | {k: ours["data"][k] for k in keys},
    )
    if changed:
        raise ValueError(
            f"The run in {directory} was trained on other images: {changed}. "
            "Give its flags, or name the model by predict_ckpt_path."
        )


def differences(theirs: dict[str, Any], ours: dict[str, Any]) -> str:
    """What differs between two flat settings, for a message; "" if nothing."""
    return "; ".join(
        f"{name.split('.')[-1]}={theirs.get(name)!r} there and "
        f"{ours.get(name)!r} here"
        for name in sorted(theirs.keys() | ours.keys())
        if theirs.get(name) != ours.get(name)
    )


def read_json(path: pathlib.Path) -> Any:
    """Reads what `write_json` wrote."""
    return json.loads(path.read_text())


def read_metrics(directory: pathlib.Path) -> list[dict]:
    """The evaluations so far; a last line cut short by a kill is left out."""
    path = directory / METRICS_FILE
    if not path.exists():
        return []
    lines = path.read_text().split("\n")
    return [json.loads(line) for line in lines[:-1]]


def write_json(path: pathlib.Path, value: Any, indent: int | None = 2) -> None:
    """Writes JSON under a temporary name and renames it."""
    write_text(path, json.dumps(value, indent=indent) + "\n")


def write_class_names(
    directory: pathlib.Path, names: tuple[str, ...] | None
) -> None:
    """Leaves `classes.txt`, a name a line, where the names are known."""
    if names is not None:
        write_text(directory / CLASSES_FILE, "".join(f"{n}\n" for n in names))


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes a file under a temporary name and renames it.

    Raises:
        InputError: the disk has no room, or the like.
    """
    # Of its own name: several machines may write the same file at once.
    temporary = path.with_name(f"tmp.{path.name}.{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise disk_error(path, error) from error


def _is_foreign(path: pathlib.Path) -> bool:
    """Whether this is none of `config.json`, being written or just there."""
    started = f"tmp.{CONFIG_FILE}."
    return path.name != CONFIG_FILE and not path.name.startswith(started)


def flatten(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"group.name": value} of nested settings, less those in `_FREE`."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if name in _FREE:
            continue
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            is_tuple = isinstance(value, tuple)
            flat[prefix + name] = list(value) if is_tuple else value
    return flat

"""Run directories: whose they are, and what in them is finished.

Imports nothing heavy, so that a finished run can say so at once.
"""

import dataclasses
import json
import pathlib
from typing import Any

from noisy_student.config import ExperimentConfig

CONFIG_FILE = "config.json"
MODEL_FILE = "model.keras"

# These change where and how a run goes, not what it computes.
_FREE = ("model_dir", "run", "predict", "tfds_data_dir", "num_iterations")


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
        if directory.is_dir() and any(directory.iterdir()):
            raise ValueError(
                f"model_dir {directory} is not empty and has no "
                f"{CONFIG_FILE}; name a new directory."
            )
        return
    theirs = _flatten(json.loads(path.read_text()))
    ours = _flatten(dataclasses.asdict(config))
    differences = [
        f"{name}={theirs.get(name)!r} there and {ours.get(name)!r} here"
        for name in sorted(theirs.keys() | ours.keys())
        if theirs.get(name) != ours.get(name)
    ]
    if differences:
        raise ValueError(
            f"model_dir {directory} holds another experiment: "
            f"{'; '.join(differences)}. Name another directory, or give the "
            "same flags to go on."
        )


def write_json(path: pathlib.Path, value: Any) -> None:
    """Writes JSON under a temporary name and renames it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"tmp.{path.name}")
    temporary.write_text(json.dumps(value, indent=2) + "\n")
    temporary.replace(path)


def _flatten(config: dict[str, Any]) -> dict[str, Any]:
    """{flag: value} of the settings that must not change."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if name in _FREE:
            continue
        if isinstance(value, dict):
            flat |= _flatten(value)
        else:
            flat[name] = list(value) if isinstance(value, tuple) else value
    return flat

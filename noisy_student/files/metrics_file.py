"""`metrics.jsonl` of a run directory: a line for each evaluation."""

import json

from etils import epath

from noisy_student.config.paths import is_remote
from noisy_student.files import run_directory, writing


def read(directory: epath.Path) -> list[dict]:
    """The evaluations so far; a last line cut short by a kill is left out."""
    path = directory / run_directory.METRICS_FILE
    if not path.exists():
        return []
    lines = path.read_text().split("\n")
    return [json.loads(line) for line in lines[:-1]]


def append(directory: epath.Path, metrics: dict) -> None:
    """Adds the line of one evaluation, which has the key `step`.

    Raises:
        InputError: the disk is full, or the like.
    """
    path = directory / run_directory.METRICS_FILE
    line = json.dumps(metrics) + "\n"
    if is_remote(path):  # where nothing can be added to a file
        earlier = path.read_text() if path.exists() else ""
        writing.write_text(path, earlier + line)
        return
    with writing.disk_errors(path, OSError), open(path, "a") as file:
        file.write(line)


def drop_after(directory: epath.Path, step: int) -> None:
    """Removes evaluations of steps that a resumed run takes again."""
    lines = read(directory)
    kept = [json.dumps(line) for line in lines if line["step"] <= step]
    text = "".join(f"{line}\n" for line in kept)
    writing.write_text(directory / run_directory.METRICS_FILE, text)

"""What a run leaves to read: TensorBoard events and `metrics.jsonl`."""

import json
import pathlib

import tensorflow as tf

METRICS_FILE = "metrics.jsonl"


class Summaries:
    """Writes scalars for TensorBoard.

    Args:
        directory: the run directory.
    """

    def __init__(self, directory: pathlib.Path) -> None:
        self._writer = tf.summary.create_file_writer(str(directory))

    def write(self, step: int, scalars: dict[str, float]) -> None:
        """Writes scalars of one step."""
        with self._writer.as_default(step):
            for name, value in scalars.items():
                tf.summary.scalar(name, value)
        self._writer.flush()


def append_metrics(directory: pathlib.Path, metrics: dict) -> None:
    """Adds the line of an evaluation; `metrics` has `step`."""
    with open(directory / METRICS_FILE, "a") as file:
        file.write(json.dumps(metrics) + "\n")


def read_metrics(directory: pathlib.Path) -> list[dict]:
    """The evaluations so far; a last line cut short by a kill is left out."""
    path = directory / METRICS_FILE
    if not path.exists():
        return []
    lines = path.read_text().split("\n")
    return [json.loads(line) for line in lines[:-1]]


def drop_metrics_after(directory: pathlib.Path, step: int) -> None:
    """Forgets evaluations of steps that a resumed run takes again."""
    kept = [line for line in read_metrics(directory) if line["step"] <= step]
    path = directory / METRICS_FILE
    temporary = path.with_name(f"tmp.{path.name}")
    temporary.write_text("".join(json.dumps(line) + "\n" for line in kept))
    temporary.replace(path)

"""What a run leaves to read: TensorBoard events and `metrics.jsonl`."""

import json
import math
import pathlib

import keras
import numpy as np
import tensorflow as tf

from noisy_student import evaluation
from noisy_student.errors import disk_error
from noisy_student.files import run_directory, writing


class Summaries:
    """Writes scalars for TensorBoard.

    Args:
        directory: the run directory.
        enabled: off in all processes but one.
    """

    def __init__(self, directory: pathlib.Path, enabled: bool = True) -> None:
        self._directory = directory
        if enabled:
            self._writer = tf.summary.create_file_writer(str(directory))
        else:
            self._writer = tf.summary.create_noop_writer()

    def write(self, step: int, scalars: dict[str, float]) -> None:
        """Writes scalars of one step.

        Raises:
            InputError: the disk has no room, or the like.
        """
        try:
            with self._writer.as_default(step):
                for name, value in scalars.items():
                    tf.summary.scalar(name, value)
            self._writer.flush()
        except tf.errors.OpError as error:
            raise disk_error(self._directory, error) from error

    def write_accuracy(self, step: int, accuracy: evaluation.Accuracy) -> None:
        """Writes an evaluation's scalars."""
        names = ("top_1_accuracy", "top_5_accuracy")
        self.write(
            step, {f"eval/{name}": getattr(accuracy, name) for name in names}
        )


def check_loss(metrics: dict[str, float], step: int) -> None:
    """Refuses a loss that is no number.

    Args:
        metrics: of that step.
        step: just finished.

    Raises:
        FloatingPointError: naming the step and the parts of the loss.
    """
    if math.isfinite(metrics["train/loss"]):
        return
    parts = ", ".join(f"{name}={value:g}" for name, value in metrics.items())
    raise FloatingPointError(
        f"The loss is {metrics['train/loss']:g} at step {step}: {parts}. The "
        "checkpoints before are intact. A lower base_learning_rate usually "
        "helps."
    )


def check_weights(model: keras.Model, step: int) -> None:
    """Refuses weights that are no numbers, before they are saved.

    Raises:
        FloatingPointError: naming the step and the first such weight.
    """
    for weight in model.weights:
        if not np.isfinite(weight.numpy()).all():
            raise FloatingPointError(
                f"The weights {weight.path} are no numbers any more at step "
                f"{step}, which is not saved; the checkpoints before are "
                "intact. A lower base_learning_rate usually helps."
            )


def append_metrics(directory: pathlib.Path, metrics: dict) -> None:
    """Adds the line of an evaluation; `metrics` has `step`.

    Raises:
        InputError: the disk has no room, or the like.
    """
    path = directory / run_directory.METRICS_FILE
    try:
        with open(path, "a") as file:
            file.write(json.dumps(metrics) + "\n")
    except OSError as error:
        raise disk_error(path, error) from error


def drop_metrics_after(directory: pathlib.Path, step: int) -> None:
    """Forgets evaluations of steps that a resumed run takes again."""
    kept = [
        line
        for line in run_directory.read_metrics(directory)
        if line["step"] <= step
    ]
    text = "".join(json.dumps(line) + "\n" for line in kept)
    writing.write_text(directory / run_directory.METRICS_FILE, text)

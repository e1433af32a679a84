"""Reads what runs leave behind: logged losses, checkpoints, weights."""

import contextlib
import os
import pathlib
import re

import numpy as np
import tensorflow as tf

from noisy_student import models

# Steps and losses, as they were logged.
Curve = list[tuple[int, float]]


def event_files(directory: pathlib.Path) -> list[pathlib.Path]:
    """TensorBoard's, the oldest first."""
    return sorted(directory.glob("events.out.tfevents.*"))


def losses(file: pathlib.Path) -> Curve:
    """The `train/loss` of one file, up to where a kill cut it off."""
    points: Curve = []
    with contextlib.suppress(tf.errors.DataLossError):
        for record in tf.data.TFRecordDataset(str(file)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                if value.tag == "train/loss":
                    loss = float(tf.make_ndarray(value.tensor))
                    points.append((event.step, loss))
    return points


def joins(pieces: Curve, whole: Curve, tolerance: float = 1e-4) -> bool:
    """Whether pieces cover a curve and agree with it at every step.

    Args:
        pieces: logged by one process after the other; some took the same
            steps again.
        whole: logged by one process.
        tolerance: relative.
    """
    expected = dict(whole)
    if {step for step, _ in pieces} != expected.keys():
        return False
    return all(
        abs(loss - expected[step]) <= tolerance * abs(expected[step])
        for step, loss in pieces
    )


def same_weights(one: pathlib.Path, other: pathlib.Path) -> bool:
    """Whether the models of two run directories agree within 1e-5."""
    paths = [directory / "model.keras" for directory in (one, other)]
    if not all(path.exists() for path in paths):
        return False
    pairs = zip(
        *(models.load_model(path).get_weights() for path in paths), strict=True
    )
    return all(np.allclose(a, b, rtol=1e-5, atol=1e-5) for a, b in pairs)


def saved_steps(directory: pathlib.Path) -> list[int]:
    """Steps of the checkpoints that have an index, in order."""
    names = _checkpoint_names(directory)
    found = (re.fullmatch(r"ckpt-(\d+)\.index", name) for name in names)
    return sorted(int(match[1]) for match in found if match)


def last_saved(directory: pathlib.Path) -> int:
    """The last of `saved_steps`; 0: there is none."""
    return max(saved_steps(directory), default=0)


def newest_whole(directory: pathlib.Path) -> int | None:
    """Step of the newest checkpoint that can be read; None: there is none."""
    for step in reversed(saved_steps(directory)):
        if is_whole(checkpoint(directory, step)):
            return step
    return None


def is_whole(prefix: pathlib.Path) -> bool:
    """Whether every number of a checkpoint can be read."""
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except (tf.errors.OpError, RuntimeError, ValueError, IndexError):
        return False
    return True


def is_saving(directory: pathlib.Path, since: float) -> bool:
    """Whether parts of a checkpoint, written since a time, lack the index."""
    names = _checkpoint_names(directory)
    parts = (
        name
        for name in names
        if re.fullmatch(r"ckpt-\d+(_temp|\.data-.*)", name)
        and re.split(r"_temp|\.", name)[0] + ".index" not in names
    )
    for name in parts:
        # It may be gone by now, and the checkpoint whole.
        with contextlib.suppress(FileNotFoundError):
            if (directory / "checkpoints" / name).stat().st_mtime > since:
                return True
    return False


def checkpoint(directory: pathlib.Path, step: int) -> pathlib.Path:
    """The prefix of its files."""
    return directory / "checkpoints" / f"ckpt-{step}"


def _checkpoint_names(directory: pathlib.Path) -> set[str]:
    with contextlib.suppress(FileNotFoundError):
        return set(os.listdir(directory / "checkpoints"))
    return set()

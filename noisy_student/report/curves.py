"""The training curves in the TensorBoard events of a run directory."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from etils import epath

from noisy_student.files import remote

_MOST_POINTS = 400  # of a curve that is drawn


class Curve(NamedTuple):
    """A scalar over a training.

    Attributes:
        steps: int64 (points,), ascending.
        values: float64 (points,).
    """

    steps: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, points: dict[int, float]) -> "Curve":
        """Of values by step; of very many, means of neighbours."""
        steps = np.array(sorted(points), np.int64)
        values = np.array([points[step] for step in steps])
        parts = min(len(steps), _MOST_POINTS)
        return cls(
            np.array([part[-1] for part in np.array_split(steps, parts)]),
            np.array([part.mean() for part in np.array_split(values, parts)]),
        )


def read(directory: epath.Path) -> dict[str, Curve]:
    """Reads all scalars by their tags; {} without events.

    A run that went on after a kill takes some steps again: of these the newer
    values count. A file that is cut off gives what is whole.
    """
    points: dict[str, dict[int, float]] = {}
    for path in remote.glob(directory, "events.out.tfevents.*"):
        resumed_at: dict[str, int] = {}
        for tag, step, value in _scalars(path):
            curve = points.setdefault(tag, {})
            if tag not in resumed_at:
                resumed_at[tag] = step
                for taken_again in [each for each in curve if each >= step]:
                    del curve[taken_again]
            curve[step] = value
    return {tag: Curve.of(curve) for tag, curve in points.items()}


def _scalars(path: epath.Path) -> Iterator[tuple[str, int, float]]:
    """Yields tag, step and value of each scalar before any damage."""
    import tensorflow as tf
    from tensorflow.core.util import event_pb2

    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = event_pb2.Event.FromString(record)
            for value in event.summary.value:
                content = tf.make_ndarray(value.tensor)
                if content.dtype.kind == "f" and content.ndim == 0:
                    yield value.tag, event.step, float(content)
    except tf.errors.DataLossError:
        return

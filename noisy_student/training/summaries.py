"""Scalars for TensorBoard."""

import pathlib
from collections.abc import Mapping

import tensorflow as tf

from noisy_student.errors import disk_error


class Summaries:
    """Writes scalars for TensorBoard.

    Args:
        directory: the run directory.
        enabled: whether this process writes; all but one do not.
    """

    def __init__(self, directory: pathlib.Path, enabled: bool = True) -> None:
        self._directory = directory
        if enabled:
            self._writer = tf.summary.create_file_writer(str(directory))
        else:
            self._writer = tf.summary.create_noop_writer()

    def write(self, step: int, scalars: Mapping[str, float]) -> None:
        """Writes the scalars of one step.

        Raises:
            InputError: the disk is full, or the like.
        """
        try:
            with self._writer.as_default(step):
                for name, value in scalars.items():
                    tf.summary.scalar(name, value)
            self._writer.flush()
        except tf.errors.OpError as error:
            raise disk_error(self._directory, error) from error

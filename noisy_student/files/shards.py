"""Sharded files of records: their names, and a writer."""

import contextlib
import pathlib
from collections.abc import Iterator

import tensorflow as tf

from noisy_student.files import writing

_DISK_ERRORS = (OSError, tf.errors.OpError)


def shard_name(prefix: str, index: int, count: int) -> str:
    """`train-00000-of-00128` for ("train", 0, 128)."""
    return f"{prefix}-{index:05d}-of-{count:05d}"


class ShardWriter:
    """Writes records to a file; only its own errors are the disk's.

    Args:
        path: where the file will be, for messages.
        temporary: where it is until it is whole.
    """

    def __init__(self, path: pathlib.Path, temporary: pathlib.Path) -> None:
        self._path = path
        with writing.disk_errors(self._path, *_DISK_ERRORS):
            self._writer = tf.io.TFRecordWriter(str(temporary))

    def write(self, record: bytes) -> None:
        """Adds a record.

        Raises:
            InputError: the disk has no room, or the like.
        """
        with writing.disk_errors(self._path, *_DISK_ERRORS):
            self._writer.write(record)

    def close(self) -> None:
        """Ends the file; raises as `write`."""
        with writing.disk_errors(self._path, *_DISK_ERRORS):
            self._writer.close()


@contextlib.contextmanager
def shard_writer(path: pathlib.Path) -> Iterator[ShardWriter]:
    """A writer whose file appears at `path` only when it is whole.

    Raises:
        InputError: the file cannot be written.
    """
    with writing.replacing(path, errors=()) as temporary:
        writer = ShardWriter(path, temporary)
        try:
            yield writer
        except BaseException:
            with contextlib.suppress(Exception):
                writer.close()
            raise
        writer.close()

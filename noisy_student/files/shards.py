"""Sharded files of records: their names, and a writer."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf
from etils import epath

from noisy_student.files import writing


def shard_name(prefix: str, index: int, count: int) -> str:
    """`train-00000-of-00128` for ("train", 0, 128)."""
    return f"{prefix}-{index:05d}-of-{count:05d}"


class ShardWriter:
    """Writes records to a file; only its own errors are the disk's.

    `write(record)` and `close()` are those of `tf.io.TFRecordWriter`, and
    raise an `InputError` where the disk has no room, or the like.

    Args:
        path: where the file will be, for messages.
        temporary: where it is until it is whole, on this machine.
    """

    def __init__(self, path: epath.Path, temporary: epath.Path) -> None:
        on_disk = writing.disk_errors(path, OSError, tf.errors.OpError)
        writer = on_disk(tf.io.TFRecordWriter)(str(temporary))
        self.write = on_disk(writer.write)
        self.close = on_disk(writer.close)


@contextlib.contextmanager
def shard_writer(path: epath.Path) -> Iterator[ShardWriter]:
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

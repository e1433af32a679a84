"""Files of records, under a temporary name until they are whole."""

import contextlib
import pathlib
import uuid
from collections.abc import Iterator

import tensorflow as tf

from noisy_student.errors import disk_error

_DISK_ERRORS = (OSError, tf.errors.OpError)


def shard_name(prefix: str, index: int, count: int) -> str:
    """`train-00000-of-00128` for ("train", 0, 128)."""
    return f"{prefix}-{index:05d}-of-{count:05d}"


class ShardWriter:
    """Writes records to a file that has another name until it is whole."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        # Of its own name: another process may be at the same file.
        name = f"tmp.{path.name}.{uuid.uuid4().hex}"
        self._temporary = path.with_name(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = tf.io.TFRecordWriter(str(self._temporary))
        except _DISK_ERRORS as error:
            raise disk_error(path, error) from error

    def write(self, record: bytes) -> None:
        """Adds a record.

        Raises:
            InputError: there is no room, or another error of the disk.
        """
        try:
            self._writer.write(record)
        except _DISK_ERRORS as error:
            raise disk_error(self._path, error) from error

    def finish(self) -> None:
        """Gives the file its name; raises as `write`."""
        try:
            self._writer.close()
            self._temporary.replace(self._path)
            # What killed processes, or slower ones, have of it.
            for path in self._path.parent.glob(f"tmp.{self._path.name}.*"):
                path.unlink(missing_ok=True)
        except FileNotFoundError as error:
            if not self._path.exists():  # else another was faster
                raise disk_error(self._path, error) from error
        except _DISK_ERRORS as error:
            raise disk_error(self._path, error) from error

    def discard(self) -> None:
        """Removes what was written."""
        with contextlib.suppress(*_DISK_ERRORS):
            self._writer.close()
        with contextlib.suppress(OSError):
            self._temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def shard_writer(path: pathlib.Path) -> Iterator[ShardWriter]:
    """A writer whose file appears at `path` only when it is whole.

    Raises:
        InputError: the file cannot be written.
    """
    writer = ShardWriter(path)
    try:
        yield writer
        writer.finish()
    except BaseException:
        writer.discard()
        raise

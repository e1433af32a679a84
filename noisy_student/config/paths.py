"""Paths that mean the same wherever a command is started.

A path of this machine is a `pathlib.Path`, and one in a bucket (gs://...) an
`epath.Path`, whose files TensorFlow reads and writes. Annotations say
`epath.Path`, which promises no more than both can do. The rest of what differs
is in `files/remote.py`.
"""

import os
import pathlib
import queue
import re
import sys
import threading
from typing import cast

from etils import epath

from noisy_student import startup
from noisy_student.errors import InputError

_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_TIME_LIMIT = 20.0  # seconds for a bucket to answer
_ADVICE = (
    "Check the network of this machine, and its credentials (gcloud auth "
    "application-default login)."
)
_reached: set[str] = set()  # buckets that have answered this process


def is_remote(path: str | os.PathLike) -> bool:
    """Whether a path is none of this machine's, such as gs://bucket/run."""
    return bool(_REMOTE.match(os.fspath(path)))


def absolute(path: str | None) -> str | None:
    """The absolute path, without symbolic links.

    Args:
        path: a local path, or a remote one, such as gs://bucket/directory,
            which stays as it is. Empty or None is none.
    """
    if not path or is_remote(path):
        return path or None
    return str(pathlib.Path(path).resolve())


def absolute_all(name: str, paths: str | None) -> str | None:
    """The same for several paths, joined with `;`.

    Raises:
        ValueError: one of them is empty, which would be the current
            directory; `name` is the setting's.
    """
    if paths is None:
        return None
    names = paths.split(";")
    if not all(each.strip() for each in names):
        raise ValueError(
            f"{name}={paths!r} must name a directory before and after each "
            "`;`, and an empty name is none."
        )
    return ";".join(str(absolute(each)) for each in names)


def to_path(name: str | os.PathLike) -> epath.Path:
    """The path that a setting names, or that was made of one.

    A bucket is asked for the first path in it that a process names. TensorFlow
    by itself would try for many minutes where it cannot be reached.

    Raises:
        InputError: the bucket cannot be reached, or paths of its kind cannot.
    """
    text = os.fspath(name)
    if not is_remote(text):
        return cast(epath.Path, pathlib.Path(text))
    scheme, _, rest = text.partition("://")
    bucket = f"{scheme}://{rest.partition('/')[0]}"
    if bucket not in _reached:
        _reach(text, bucket)
        _reached.add(bucket)
    return epath.Path(text)


def _reach(path: str, bucket: str) -> None:
    """Asks for a path, and where it is not there for its bucket.

    Raises:
        InputError: there is no such bucket, or no answer.
    """
    if "tensorflow" not in sys.modules:
        startup.import_tensorflow()
    answers: queue.Queue[str] = queue.Queue()
    # A daemon: where it waits for the network, it ends with the process.
    threading.Thread(
        target=lambda: answers.put(_fault(path, bucket)), daemon=True
    ).start()
    try:
        fault = answers.get(timeout=_TIME_LIMIT)
    except queue.Empty:
        fault = f"no answer in {_TIME_LIMIT:g} seconds. {_ADVICE}"
    if fault:
        raise InputError(f"{path} cannot be reached: {fault}")


def _fault(path: str, bucket: str) -> str:
    """What keeps TensorFlow from a path, in words; "" where nothing does."""
    import tensorflow as tf  # slow to import

    try:
        epath.Path(path)
        found = tf.io.gfile.exists(path) or tf.io.gfile.exists(bucket)
    except (KeyError, tf.errors.UnimplementedError):
        kind = path.partition("://")[0]
        return f"TensorFlow knows no {kind}:// here; gs:// works."
    except Exception as error:  # of the network: there are many
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return f"{lines[0]}. {_ADVICE}"
    return "" if found else f"there is no bucket {bucket}."


def parents(path: epath.Path) -> list[epath.Path]:
    """The directories above a path, the nearest first, within its bucket."""
    return [
        directory
        for directory in path.parents
        if is_remote(directory) == is_remote(path)
        and not str(directory).endswith("://")
    ]

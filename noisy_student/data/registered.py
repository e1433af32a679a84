"""Tasks whose images this process has, by name.

`open.py` finds them by `task_name`, so that every stage works on images that a
program made as on those of files.
"""

import contextlib
from collections.abc import Iterator

from noisy_student.data.sources import TaskData

_tasks: dict[str, TaskData] = {}


@contextlib.contextmanager
def task(name: str, data: TaskData) -> Iterator[None]:
    """Makes a task known while the block runs.

    Args:
        name: The `task_name` that stands for it.
        data: Its images, all of which `num_labeled` is yet to divide.
    """
    _tasks[name] = data
    try:
        yield
    finally:
        del _tasks[name]


def find(name: str) -> TaskData | None:
    """Returns the task of this name; None if it is not known."""
    return _tasks.get(name)

"""Paths that mean the same wherever a command is started."""

import pathlib
import re

_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def absolute(path: str | None) -> str | None:
    """The absolute path, without symbolic links.

    Args:
        path: a local path, or a remote one, such as gs://bucket/directory,
            which stays as it is. Empty or None is none.
    """
    if not path or _REMOTE.match(path):
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

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
        ValueError: some are empty and others are not; `name` is the
            setting's.
    """
    if not paths:
        return None
    absolutes = [absolute(path) for path in paths.split(";")]
    if None in absolutes:
        raise ValueError(
            f"{name} must be directories joined with ; none of them empty; "
            f"got {paths!r}."
        )
    return ";".join(map(str, absolutes))

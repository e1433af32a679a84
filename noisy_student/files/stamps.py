"""Provenance: what a file or directory was made from, and whether it still is.

A stamp is a dict of JSON values that is kept beside the artefact. Work that
is resumed compares it with what it would make now.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from etils import epath

from noisy_student.errors import InputError
from noisy_student.files import remote

Stamp = Mapping[str, Any]
_BLOCK = 1 << 20  # bytes read at a time


def digest(paths: Iterable[epath.Path]) -> str:
    """SHA-256 of the contents of files, one after the other."""
    sha = hashlib.sha256()
    for path in paths:
        with remote.open_binary(path) as file:
            while block := file.read(_BLOCK):
                sha.update(block)
    return sha.hexdigest()


def check_same(
    theirs: Stamp, ours: Stamp, message: str, ignored: Collection[str] = ()
) -> None:
    """Refuses an artefact that was made from something else.

    Args:
        theirs: the stamp that was kept.
        ours: the stamp of the work at hand. A key that one of them lacks
            counts as None.
        message: what to tell people; `{changes}` in it becomes the list of
            differences, "seed=0 there and 1 here; ...".
        ignored: names, at any depth, that make no difference.

    Raises:
        InputError: they differ.
    """
    changes = differences(theirs, ours, ignored)
    if changes:
        raise InputError(message.replace("{changes}", changes))


def differences(
    theirs: Stamp, ours: Stamp, ignored: Collection[str] = ()
) -> str:
    """The differences in words, as in `check_same`; "" if there is none."""
    before, now = _flatten(theirs, ignored), _flatten(ours, ignored)
    return "; ".join(
        f"{name.split('.')[-1]}={before.get(name)!r} there and "
        f"{now.get(name)!r} here"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    )


def _flatten(
    stamp: Stamp, ignored: Collection[str], prefix: str = ""
) -> dict[str, Any]:
    """{"group.name": value}, with lists for tuples as JSON has them."""
    flat: dict[str, Any] = {}
    for name, value in stamp.items():
        if name in ignored:
            continue
        if isinstance(value, Mapping):
            flat |= _flatten(value, ignored, f"{prefix}{name}.")
        else:
            is_tuple = isinstance(value, tuple)
            flat[prefix + name] = list(value) if is_tuple else value
    return flat

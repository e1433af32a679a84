"""Files that this tool wrote: what reading them raises, and what is said."""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from etils import epath

from noisy_student.errors import InputError, listed

# What reading raises where a file is not as it was written.
ERRORS = (OSError, ValueError, LookupError, TypeError, AttributeError)
_Kind = TypeVar("_Kind")


class FieldsError(ValueError):
    """There are fields that are not known here, or some are missing."""


def make(kind: type[_Kind], value: Mapping[str, Any]) -> _Kind:
    """Makes a dataclass of its fields as JSON has them.

    Raises:
        FieldsError: they are not those of `kind`.
        AttributeError: `value` has no fields at all.
    """
    known = dataclasses.fields(kind)  # type: ignore[arg-type]
    needed = {each.name for each in known if _is_needed(each)}
    names = {each.name for each in known}
    if others := (value.keys() - names) | (needed - value.keys()):
        raise FieldsError(f"unknown or missing: {listed(sorted(others))}")
    return kind(**value)


def _is_needed(field: dataclasses.Field) -> bool:
    defaults = (field.default, field.default_factory)
    return all(each is dataclasses.MISSING for each in defaults)


def complaint(path: epath.Path, error: Exception, advice: str) -> InputError:
    """The error for a file that could not be read.

    Args:
        path: of the file.
        error: one of `ERRORS`.
        advice: what to do with a file of no use.
    """
    if isinstance(error, OSError):
        return InputError(f"{path} cannot be read: {error.strerror}.")
    what = f"({type(error).__name__}: {error})"
    if isinstance(error, KeyError | FieldsError):
        return InputError(
            f"{path} was written by another version of this tool, if by it at "
            f"all {what}. {advice}"
        )
    return InputError(
        f"{path} is damaged, or not of this tool {what}. {advice}"
    )

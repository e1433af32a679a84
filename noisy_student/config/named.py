"""Settings by the names of their flags, for programs."""

import dataclasses
import difflib
import os
import types
import typing
from collections.abc import Mapping
from typing import Any

from noisy_student.config import GROUPS, ExperimentConfig
from noisy_student.config.settings import Settings, rule_of


def experiment(
    settings: Mapping[str, Any], *others: type[Settings]
) -> tuple[Any, ...]:
    """Makes settings of values by name.

    Args:
        settings: The values; aliases are names, too.
        *others: Classes that have settings of their own here.

    Returns:
        An `ExperimentConfig`, and an instance of each of the others.

    Raises:
        ValueError: There is no setting of a name, or a value is of another
            type or out of range.
    """
    classes = (*others, ExperimentConfig, *GROUPS.values())
    fields = {
        name: (group, field)
        for group in reversed(classes)  # a tool's come before others'
        for field in dataclasses.fields(group)  # type: ignore[arg-type]
        if (rule := rule_of(field)) is not None
        for name in (field.name, *rule.aliases)
    }
    values: dict[type, dict[str, Any]] = {group: {} for group in classes}
    for name, value in settings.items():
        if name not in fields:
            raise ValueError(_unknown(name, list(fields)))
        group, field = fields[name]
        hint = typing.get_type_hints(group)[field.name]
        values[group][field.name] = _typed(name, value, hint)
    made: dict[str, Any] = {
        name: group(**values[group]) for name, group in GROUPS.items()
    }
    config = ExperimentConfig(**values[ExperimentConfig], **made)
    return config, *(group(**values[group]) for group in others)


def _unknown(name: str, known: list[str]) -> str:
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {nearest[0]}?" if nearest else "."
    return f"There is no setting {name}{hint}"


def _typed(name: str, value: Any, hint: Any) -> Any:
    """Returns a value of a setting's type.

    Raises:
        ValueError: It is of another type.
    """
    kinds = set(typing.get_args(hint)) or {hint}
    if value is None and (types.NoneType in kinds or hint is str):
        return None
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{name} must be a list; got {value!r}.")
        element = typing.get_args(hint)[0]
        return tuple(_typed(name, each, element) for each in value)
    if isinstance(value, os.PathLike) and str in kinds:
        return os.fspath(value)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if type(value) in kinds or (is_number and float in kinds):
        return value
    words = " or ".join(sorted(kind.__name__ for kind in kinds))
    raise ValueError(f"{name} must be {words}; got {value!r}.")

"""Flags of absl from the fields of settings, and settings from flags."""

import dataclasses
import types
import typing
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from absl import flags as absl_flags

from noisy_student.config.settings import Rule, Settings, help_texts, rule_of

_Settings = TypeVar("_Settings", bound=Settings)

_DEFINERS: dict[type, Callable[..., Any]] = {
    bool: absl_flags.DEFINE_bool,
    int: absl_flags.DEFINE_integer,
    float: absl_flags.DEFINE_float,
    str: absl_flags.DEFINE_string,
}
_NUMBERS = {int: "integers", float: "numbers"}


class Field(NamedTuple):
    """A field of settings that has a flag.

    Attributes:
        name: of the field and its flag.
        default: the field's.
        help: the text of `--help`, which adds default, choices and range.
        rule: choices, bounds and aliases.
        value_type: bool, int, float or str; of a tuple, its elements'.
        is_list: whether it is a tuple, which the flag separates by commas.
    """

    name: str
    default: Any
    help: str
    rule: Rule
    value_type: type
    is_list: bool


def fields_of(group: type[Settings]) -> tuple[Field, ...]:
    """The fields of a class that have flags, in order."""
    hints = typing.get_type_hints(group)
    texts = help_texts(group)  # type: ignore[arg-type]
    return tuple(
        Field(
            field.name,
            field.default,
            texts[field.name],
            rule,
            *_value_type(hints[field.name]),
        )
        for field in dataclasses.fields(group)  # type: ignore[arg-type]
        if (rule := rule_of(field)) is not None
    )


def define(
    group: type[Settings],
    values: absl_flags.FlagValues = absl_flags.FLAGS,
) -> None:
    """Defines a flag for each setting of a class.

    Args:
        group: the class. Where an experiment has a flag of the same name, the
            class's takes its place, with its own default and help.
        values: gets the flags.
    """
    for field in fields_of(group):
        options: dict[str, Any] = {
            "name": field.name,
            "default": field.default,
            "help": field.help,
            "flag_values": values,
            "allow_override": field.name in values,
        }
        if field.is_list:
            options["default"] = [str(v) for v in field.default or ()] or None
            absl_flags.DEFINE_list(**options)
        elif field.rule.choices:
            choices = [*field.rule.choices, *field.rule.none]
            absl_flags.DEFINE_enum(enum_values=choices, **options)
        else:
            _DEFINERS[field.value_type](**options)
        for alias in field.rule.aliases:
            absl_flags.DEFINE_alias(alias, field.name, flag_values=values)


def read(
    group: type[_Settings],
    values: absl_flags.FlagValues = absl_flags.FLAGS,
    original: bool = False,
    **others: Any,
) -> _Settings:
    """An instance of settings, from the flags that `define` made.

    Args:
        group: the class.
        values: the parsed flags.
        original: whether those that are not given are as in the original.
        **others: values of the fields that have no flag.

    Raises:
        ValueError: a value that no run could use.
    """
    given = {
        field.name: _value(field, values[field.name], original)
        for field in fields_of(group)
    }
    return group(**given, **others)


def _value_type(hint: Any) -> tuple[type, bool]:
    """Type and "is it a list", of bool, `int | None`, `tuple[str, ...]`."""
    if isinstance(hint, types.UnionType):
        [hint] = set(typing.get_args(hint)) - {types.NoneType}
    if typing.get_origin(hint) is tuple:
        return typing.get_args(hint)[0], True
    return hint, False


def _value(field: Field, flag: absl_flags.Flag, original: bool) -> Any:
    """A flag's value as that of its field."""
    # By an alias it is present, and still said to use its default.
    if original and flag.using_default_value and not flag.present:
        return field.rule.original
    given = flag.value
    if given is None:
        return field.default
    if not field.is_list:
        return given
    if field.value_type is str:
        return tuple(given)
    try:
        # Empty is refused: it may be an unset variable of a script.
        return tuple(map(field.value_type, given or [""]))
    except ValueError as error:
        raise ValueError(
            f"{field.name} must be {_NUMBERS[field.value_type]} separated by "
            f"commas; got {','.join(given)!r}."
        ) from error

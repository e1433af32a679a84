"""A setting states its default, its help, its choices and its range once.

`setting` makes a dataclass field with default, choices and range; the
docstring below the field is its help. `Settings` is the base class that checks
every value when an instance is made. `flags/` makes the command line's flags
from the same fields.
"""

import ast
import dataclasses
import functools
import inspect
import itertools
from collections.abc import Mapping
from typing import Any

from noisy_student.config.checks import require

_METADATA = "noisy_student.setting"
# No setting needs a number beyond these; they keep products of several
# settings, such as numbers of steps, far from overflow.
_SMALLEST, _LARGEST = 1e-15, 1e15


@dataclasses.dataclass(frozen=True)
class Rule:
    """The values that a setting may have.

    Attributes:
        choices: the values allowed; empty allows any.
        above, at_least, below, at_most: bounds of a number; None is no bound.
        special: numbers allowed outside of these bounds, with their meaning,
            such as `{-1: "hard labels"}`.
        none: values that mean None, such as -1 in the original program.
        original: the default for the original program's data, see
            `flags.original`; where it is not stated, the setting's default.
        aliases: other names of the flag, such as the original program's.
    """

    choices: tuple[str, ...] = ()
    above: float | None = None
    at_least: float | None = None
    below: float | None = None
    at_most: float | None = None
    special: Mapping[float, str] = dataclasses.field(default_factory=dict)
    none: tuple[Any, ...] = ()
    original: Any = None
    aliases: tuple[str, ...] = ()

    def range(self) -> str:
        """The bounds in words, such as "in [0, 1)"; "" if there are none."""
        low = self.at_least if self.above is None else self.above
        high = self.at_most if self.below is None else self.below
        if low is None and high is None:
            words = []
        elif high is None:
            words = [f"{'at least' if self.above is None else 'above'} {low}"]
        elif low is None:
            words = [f"{'at most' if self.below is None else 'below'} {high}"]
        else:
            left = "[" if self.above is None else "("
            right = "]" if self.below is None else ")"
            words = [f"in {left}{low}, {high}{right}"]
        words += [
            f"{number:g} for {why}" for number, why in self.special.items()
        ]
        words += [
            f"{value:g} for the default"
            for value in self.none
            if not isinstance(value, str)
        ]
        return ", or ".join(words)

    def broken_by(self, value: Any) -> str:
        """What a value must be and is not, in words; "" if it is allowed.

        Args:
            value: None, which is always allowed, or of the setting's type.
        """
        if value is None or isinstance(value, bool):
            return ""
        if self.choices:
            words = f"one of {', '.join(self.choices)}"
            return "" if value in self.choices else words
        if not isinstance(value, int | float) or value in self.special:
            return ""
        if value != value or not self._is_within(value):
            return self.range() or "finite"
        if value in (float("inf"), -float("inf")):
            return "finite"
        if value and not _SMALLEST <= abs(value) <= _LARGEST:
            return f"0 or of a size from {_SMALLEST:g} to {_LARGEST:g}"
        return ""

    def _is_within(self, value: float) -> bool:
        return (
            (self.above is None or value > self.above)
            and (self.at_least is None or value >= self.at_least)
            and (self.below is None or value < self.below)
            and (self.at_most is None or value <= self.at_most)
        )


def setting(default: Any, **rule: Any) -> Any:
    """A dataclass field whose docstring is the help of its flag.

    Args:
        default: its default; None where the task, the model or the method
            decides, and the docstring then says so.
        **rule: the attributes of its `Rule`.
    """
    stated = {"original": default} | rule
    return dataclasses.field(
        default=default, metadata={_METADATA: Rule(**stated)}
    )


def rule_of(field: dataclasses.Field) -> Rule | None:
    """What `setting` stated; None for a field that has no flag."""
    return field.metadata.get(_METADATA)


class Settings:
    """Base class of groups of settings, which are frozen dataclasses.

    The first line of a subclass's docstring is its heading in `--help`.
    """

    def __post_init__(self) -> None:
        """Makes None of what means it, and checks every value by its rule.

        Raises:
            ValueError: naming the setting, the rule and the value.
        """
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            rule, value = rule_of(field), getattr(self, field.name)
            if rule is None:
                continue
            if value in rule.none:
                self._resolve(**{field.name: None})
                continue
            for each in value if isinstance(value, tuple) else (value,):
                broken = rule.broken_by(each)
                require(not broken, field.name, broken, each)

    def _resolve(self, **values: Any) -> None:
        """Sets fields in `__post_init__`, where a dataclass is still open."""
        for name, value in values.items():
            object.__setattr__(self, name, value)


def changed(group: Settings) -> dict[str, Any]:
    """The settings, by flag, that are not as they would be by default.

    Args:
        group: with the groups inside it.
    """
    found: dict[str, Any] = {}
    for field in dataclasses.fields(group):  # type: ignore[arg-type]
        value = getattr(group, field.name)
        if isinstance(value, Settings):
            found |= changed(value)
        elif rule_of(field) is not None and value != field.default:
            found[field.name] = value
    return found


@functools.cache
def help_texts(group: type[Settings]) -> Mapping[str, str]:
    """The docstrings of the fields of a class and its bases, by field.

    Python does not keep these docstrings, so they are read from the source.
    """
    texts: dict[str, str] = {}
    for base in group.__mro__:
        if not dataclasses.is_dataclass(base):
            continue
        [definition] = ast.parse(inspect.getsource(base)).body
        assert isinstance(definition, ast.ClassDef)
        for statement, following in itertools.pairwise(definition.body):
            match statement, following:
                case (
                    ast.AnnAssign(target=ast.Name(name)),
                    ast.Expr(value=ast.Constant(str(text))),
                ):
                    texts.setdefault(name, " ".join(text.split()))
    return texts

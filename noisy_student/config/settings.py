"""A setting states its default, its help, its choices and its range once.

`setting` makes a dataclass field that carries all of them; `Settings` is the
base class that checks every value when an instance is made. `flags/` makes
the command line's flags from the same fields.
"""

import dataclasses
import math
from collections.abc import Collection, Mapping
from typing import Any

_METADATA = "noisy_student.setting"


@dataclasses.dataclass(frozen=True)
class Rule:
    """What is stated of a setting besides its name, type and default.

    Attributes:
        help: for `--help` and readers; units and range are said here.
        choices: the values allowed; empty allows any.
        above, at_least, below, at_most: bounds of a number; None is no bound.
        special: values allowed outside of these bounds, with their meaning,
            such as `{-1: "hard labels"}`.
        aliases: other names of the flag, such as the original's.
    """

    help: str
    choices: tuple[str, ...] = ()
    above: float | None = None
    at_least: float | None = None
    below: float | None = None
    at_most: float | None = None
    special: Mapping[float, str] = dataclasses.field(default_factory=dict)
    aliases: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The rule in words: "in [0, 1)", "one of none, v1"."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        words = [self._bounds()]
        words += [f"{n:g} for {why}" for n, why in self.special.items()]
        return ", or ".join(filter(None, words))

    def _bounds(self) -> str:
        low = self.at_least if self.above is None else self.above
        high = self.at_most if self.below is None else self.below
        if low is None and high is None:
            return "finite"
        if high is None:
            return f"{'at least' if self.above is None else 'above'} {low:g}"
        if low is None:
            return f"{'at most' if self.below is None else 'below'} {high:g}"
        left = "[" if self.above is None else "("
        right = "]" if self.below is None else ")"
        return f"in {left}{low:g}, {high:g}{right}"

    def allows(self, value: Any) -> bool:
        """Whether a value obeys the rule; None and flags always do."""
        if value is None or isinstance(value, bool):
            return True
        if self.choices:
            return value in self.choices
        if not isinstance(value, int | float) or value in self.special:
            return True
        return (
            math.isfinite(value)
            and (self.above is None or value > self.above)
            and (self.at_least is None or value >= self.at_least)
            and (self.below is None or value < self.below)
            and (self.at_most is None or value <= self.at_most)
        )


def setting(
    default: Any,
    help: str,
    *,
    choices: Collection[str] = (),
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    special: Mapping[float, str] | None = None,
    aliases: Collection[str] = (),
) -> Any:
    """A dataclass field with all that there is to say of it.

    Args:
        default: its default; None where the task, the model or the method
            decides, and the help then says so.
        help: see `Rule`, as are the others.
        choices: see `Rule`.
        above: see `Rule`.
        at_least: see `Rule`.
        below: see `Rule`.
        at_most: see `Rule`.
        special: see `Rule`.
        aliases: see `Rule`.
    """
    rule = Rule(
        help,
        tuple(choices),
        above,
        at_least,
        below,
        at_most,
        special or {},
        tuple(aliases),
    )
    return dataclasses.field(default=default, metadata={_METADATA: rule})


def rule_of(field: dataclasses.Field) -> Rule | None:
    """What `setting` stated; None of a field that no flag sets."""
    return field.metadata.get(_METADATA)


class Settings:
    """Base class of groups of settings, which are frozen dataclasses."""

    def __post_init__(self) -> None:
        """Checks every value by its rule.

        Raises:
            ValueError: naming the setting, the rule and the value.
        """
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            rule, value = rule_of(field), getattr(self, field.name)
            values = value if isinstance(value, tuple) else (value,)
            if rule is not None and not all(map(rule.allows, values)):
                raise ValueError(f"{field.name} must be {rule}; got {value!r}.")

"""Refuses values that no run could use, before anything expensive starts."""

from typing import Any


def require(holds: bool, name: str, rule: str, value: Any) -> None:
    """Raises `ValueError` with field, rule and value unless the rule holds."""
    if not holds:
        raise ValueError(f"{name} must be {rule}; got {value!r}.")


def require_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raises `ValueError` unless `value` is one of `choices`."""
    require(value in choices, name, f"one of {', '.join(choices)}", value)


def require_fractions(settings: Any, *names: str) -> None:
    """Raises `ValueError` unless these fields are in [0, 1)."""
    for name in names:
        value = getattr(settings, name)
        require(0 <= value < 1, name, "in [0, 1)", value)


def require_positive(settings: Any, *names: str) -> None:
    """Raises `ValueError` unless these fields are above 0, or None."""
    for name in names:
        value = getattr(settings, name)
        require(value is None or value > 0, name, "above 0", value)

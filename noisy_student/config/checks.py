"""How a value that no run could use is refused."""

from typing import Any


def require(holds: bool, name: str, rule: str, value: Any) -> None:
    """Raises `ValueError` with name, rule and value unless the rule holds."""
    if not holds:
        raise ValueError(f"{name} must be {rule}; got {value!r}.")

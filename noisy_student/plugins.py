"""Objects of one's own that a flag names as `module:name`."""

import importlib
from typing import Any

SEPARATOR = ":"


def find(given: str, setting: str) -> Any:
    """Returns the object that a setting names.

    Args:
        given: The name of a module and of an object in it, `module:name`.
        setting: The name of the setting, for the message.

    Raises:
        ValueError: There is no such module or object.
    """
    module, _, name = given.partition(SEPARATOR)
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{setting}={given} is not there ({error}); it must be "
            "module:name, with the module beside main.py or in PYTHONPATH."
        ) from error

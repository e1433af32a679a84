"""Flags that are lists, of which the last one given counts."""

from collections.abc import Iterable

from absl import flags

# The flags are those of the module that calls.
flags.disclaim_key_flags()


def define(name: str, choices: Iterable[str], help: str) -> flags.FlagHolder:
    """Defines a flag for some of the choices; all of them by default."""
    allowed = list(choices)
    listed = ",".join(allowed)
    flag = flags.DEFINE_list(name, listed, f"{help} A list of {listed}.")
    flags.register_validator(
        name,
        lambda chosen: {*chosen} <= {*allowed},
        f"must be a list of {listed}",
    )
    return flag


def define_numbers(
    name: str, default: Iterable[int], help: str
) -> flags.FlagHolder:
    """Defines a flag for a list of numbers above 0; read it by `numbers`."""
    flag = flags.DEFINE_list(name, ",".join(map(str, default)), help)
    flags.register_validator(
        name,
        lambda texts: all(text.isdecimal() and int(text) for text in texts),
        "must be a list of whole numbers above 0",
    )
    return flag


def numbers(flag: flags.FlagHolder) -> list[int]:
    """Returns the numbers of a flag."""
    return [int(text) for text in flag.value]

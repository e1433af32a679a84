"""Flags that are lists, of which the last one given counts."""

from collections.abc import Iterable

from absl import flags

# The flags are those of the module that calls.
flags.disclaim_key_flags()


def define(
    name: str, choices: Iterable[str], help: str, optional: bool = False
) -> flags.FlagHolder:
    """Defines a flag for some of the choices.

    Args:
        name: Of the flag.
        choices: Which there are.
        help: What they are.
        optional: Whether it is None by default, in place of all of them.
    """
    allowed = list(choices)
    listed = ",".join(allowed)
    default = None if optional else listed
    flag = flags.DEFINE_list(name, default, f"{help} A list of {listed}.")
    flags.register_validator(
        name,
        lambda chosen: {*(chosen or [])} <= {*allowed},
        f"must be a list of {listed}",
    )
    return flag


def define_numbers(
    name: str, default: Iterable[int] | None, help: str
) -> flags.FlagHolder:
    """Defines a flag for a list of numbers above 0; read it by `numbers`."""
    listed = None if default is None else ",".join(map(str, default))
    flag = flags.DEFINE_list(name, listed, help)
    flags.register_validator(
        name,
        lambda texts: all(x.isdecimal() and int(x) for x in texts or []),
        "must be a list of whole numbers above 0",
    )
    return flag


def numbers(flag: flags.FlagHolder) -> list[int]:
    """Returns the numbers of a flag; none where it is None."""
    return [int(text) for text in flag.value or []]

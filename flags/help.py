"""The texts of `--help` and `--helpfull`, by group, in the order of fields."""

import inspect
import textwrap
from collections.abc import Iterable

from absl import flags as absl_flags

from flags.define import Field, fields_of
from noisy_student.config import Settings

_WIDTH = 80
_NAME_WIDTH = 28  # of the column of names, where they fit in it


def short_help_of(groups: Iterable[type[Settings]]) -> str:
    """Each group's heading, and a line for each flag: how its help begins.

    Args:
        groups: the classes; their docstrings' first lines are the headings.
    """
    lines = []
    for group in groups:
        lines += ["", heading(group)]
        for field in fields_of(group):
            head = f"  {names_of(field)[0]} ".ljust(_NAME_WIDTH)
            width = _WIDTH - len(head)
            lines.append(
                head + textwrap.shorten(field.help, width, placeholder=" ...")
            )
    return "\n".join(lines)


def help_of(
    groups: Iterable[type[Settings]], values: absl_flags.FlagValues
) -> str:
    """Each group's heading, and all of its flags' help, defaults and ranges.

    Args:
        groups: see `short_help_of`.
        values: the flags, which know their defaults.
    """
    lines = []
    for group in groups:
        lines += ["", heading(group)]
        for field in fields_of(group):
            lines += _entry(field, values[field.name])
    return "\n".join(lines)


def heading(group: type[Settings]) -> str:
    """The heading of a group of flags."""
    return str(inspect.getdoc(group)).split("\n")[0]


def _dashes(field: Field) -> str:
    return "--[no]" if field.value_type is bool else "--"


def _entry(field: Field, flag: absl_flags.Flag) -> list[str]:
    """A flag's names, choices and help, then its default and range."""
    # An empty value that means none is no choice to show.
    text = str(flag.help).replace("|>: ", ">: ", 1)
    entry = f"{', '.join(names_of(field))}: {text}"
    lines = [absl_flags.text_wrap(entry, _WIDTH, "    ", "  ")]
    if notes := notes_of(field, flag):
        note = f"({'; '.join(notes)})"
        lines.append(absl_flags.text_wrap(note, _WIDTH, "    ", "    "))
    return lines


def names_of(field: Field) -> list[str]:
    """A flag's name and its aliases, with dashes."""
    names = (field.name, *field.rule.aliases)
    return [_dashes(field) + name for name in names]


def notes_of(field: Field, flag: absl_flags.Flag) -> list[str]:
    """A flag's default, the original program's, and the range, if any."""
    notes = [field.rule.range()] if field.rule.range() else []
    if flag.default is not None:
        # A script may know better than a help text that says the default.
        word = "default" if field.default is not None else "default here"
        default = str(flag.default_as_str).strip("'")
        notes.insert(0, f"{word}: {default}")
    original = field.rule.original
    if original not in (None, field.default):
        notes.insert(1, f"for the original's data: {original}")
    return notes

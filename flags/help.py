"""The text of `--help`: flags by group, in the order of their fields."""

import inspect
from collections.abc import Iterable

from absl import flags as absl_flags

from flags.define import Field, fields_of
from noisy_student.config import Settings


def help_of(
    groups: Iterable[type[Settings]], values: absl_flags.FlagValues
) -> str:
    """Each group's heading and flags.

    Args:
        groups: the classes; their docstrings' first lines are the headings.
        values: the flags, which know their defaults.
    """
    lines = []
    for group in groups:
        lines += ["", str(inspect.getdoc(group)).split("\n")[0]]
        for field in fields_of(group):
            lines += _entry(field, values[field.name])
    return "\n".join(lines)


def _entry(field: Field, flag: absl_flags.Flag) -> list[str]:
    """A flag's names, choices and help, then its default and range."""
    dashes = "--[no]" if flag.boolean else "--"
    heads = ", ".join(dashes + n for n in (field.name, *field.rule.aliases))
    notes = [field.rule.range()] if field.rule.range() else []
    if flag.default is not None:
        # A script may know better than a help text that says the default.
        word = "default" if field.default is not None else "default here"
        default = str(flag.default_as_str).strip("'")
        notes.insert(0, f"{word}: {default}")
    original = field.rule.original
    if original not in (None, field.default):
        notes.insert(1, f"for the original's data: {original}")
    # An empty value that means none is no choice to show.
    text = str(flag.help).replace("|>: ", ">: ", 1)
    lines = [absl_flags.text_wrap(f"{heads}: {text}", 80, "    ", "  ")]
    if notes:
        note = f"({'; '.join(notes)})"
        lines.append(absl_flags.text_wrap(note, 80, "    ", "    "))
    return lines

"""Prints docs/flags.md, the page of all flags, from the settings.

python -m tools.flags_page > docs/flags.md
"""

from absl import app
from absl import flags as absl_flags

import flags
from flags.help import heading, names_of, notes_of
from noisy_student.config import ExperimentConfig, Settings

_TOP = """# Flags of main.py

`python main.py --help` has a line for each, `--helpfull` this text. Most have
the names and meanings of the original program; [original.md](original.md) goes
through its flags one by one.
"""


def page() -> str:
    """Returns the page, in Markdown: a table for each group of settings."""
    values = absl_flags.FLAGS
    lines = [_TOP]
    groups: list[type[Settings]] = [ExperimentConfig, *flags.GROUPS.values()]
    for group in groups:
        lines += [f"## {heading(group).rstrip('.')}", ""]
        lines += ["| flag | default, range | what |", "|---|---|---|"]
        for field in flags.fields_of(group):
            flag = values[field.name]
            names = ", ".join(f"`{name}`" for name in names_of(field))
            notes = "; ".join(notes_of(field, flag)).replace("default: ", "")
            cells = (names, notes, str(flag.help))
            lines.append(f"| {' | '.join(map(_escaped, cells))} |")
        lines.append("")
    return "\n".join(lines)


def _escaped(text: str) -> str:
    """Text that does not end a cell or open a tag."""
    return text.replace("|", "\\|").replace("<", "&lt;")


def main(_: list[str]) -> None:
    """Prints the page."""
    print(page(), end="")


if __name__ == "__main__":
    app.run(main)

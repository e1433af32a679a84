"""Finds the commands that the project's texts print.

Texts are the Markdown files of the root and of docs/, and the docstrings of
modules. Commands are lines of their code blocks (in docstrings, indented lines)
and code between backticks that begin as a command does.
"""

import ast
import dataclasses
import itertools
import re
import shlex

from tests.scripts import ROOT

_START = re.compile(r"(python|make|pip|\.venv/\S+|for \w+ in) ")
_STATEMENT = re.compile(r"^for (?s:.*?)^done(?:\nwait)?$|^.*$", re.M)
_LOOP = re.compile(r"for (\w+) in ([^;]+); do (.*) done( wait)?")


@dataclasses.dataclass(frozen=True)
class Printed:
    """A command, as it is printed but on one line.

    Attributes:
        section: the file and, in a Markdown file, the heading above.
        text: what to type.
    """

    section: str
    text: str


@dataclasses.dataclass(frozen=True)
class Call:
    """One `python` that a command starts; a loop starts several.

    Attributes:
        arguments: what follows `python`.
        environment: variables that are set for it.
        background: whether the next one does not wait for its end.
    """

    arguments: tuple[str, ...]
    environment: dict[str, str]
    background: bool


def collect():
    """Returns all printed commands, in the order of the texts."""
    found = []
    pages = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md"))]
    for path in pages:
        name = str(path.relative_to(ROOT))
        for part in re.split(r"^(?=#+ )", _without_python(path), flags=re.M):
            heading = part.split("\n", 1)[0].strip("# ")
            section = f"{name}: {heading}"
            found += [Printed(section, text) for text in _in_markdown(part)]
    folders = ("tools", "flags", "noisy_student")
    modules = (sorted(ROOT.glob(f"{folder}/**/*.py")) for folder in folders)
    for path in [ROOT / "main.py", *itertools.chain(*modules)]:
        docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
        section = str(path.relative_to(ROOT))
        found += [Printed(section, text) for text in _in_docstring(docstring)]
    return found


def _without_python(path):
    """The text of a file less its blocks of Python, which may have headings."""
    return re.sub(
        r"^```python\n.*?^```", "", path.read_text(), flags=re.M | re.S
    )


def _in_markdown(text):
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)
    prose = re.sub(r"^```\w*\n.*?^```", "", text, flags=re.M | re.S)
    for block in blocks:
        yield from _statements(block)
    for code in re.findall(r"`([^`]+)`", prose):
        yield from _statements(" ".join(code.split()))


def _in_docstring(text):
    indented = [
        line if line.startswith("  ") else "" for line in text.split("\n")
    ]
    yield from _statements("\n".join(line.strip() for line in indented))


def _statements(text):
    """The commands of a text, loops whole."""
    text = re.sub(r"\s# .*$", "", text, flags=re.M).replace("\\\n", " ")
    for match in re.findall(_STATEMENT, text):
        line = " ".join(match.split())
        if _START.match(f"{line} "):
            yield line


def calls_of(text):
    """Returns what a command starts, loops unrolled."""
    loop = _LOOP.fullmatch(text)
    if not loop:
        return [_call(text)]
    name, values, body, _ = loop.groups()
    return [_call(body.replace(f"${name}", value)) for value in values.split()]


def _call(text):
    words = shlex.split(text.removesuffix("&"))
    environment = {}
    while "=" in words[0]:
        key, _, value = words.pop(0).partition("=")
        environment[key] = value
    if words[0] not in ("python", ".venv/bin/python"):
        raise ValueError(f"no call of Python: {text}")
    return Call(tuple(words[1:]), environment, text.endswith("&"))

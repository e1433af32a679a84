"""What faults showed: a table for people, an object for programs."""

import dataclasses
import json
import textwrap
from collections.abc import Iterable
from typing import Any

_WIDTH = 160


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of the table; `ok` is None where nothing could be tried."""

    done: str
    seen: str
    ok: bool | None


@dataclasses.dataclass(frozen=True)
class Report:
    """Of one fault: lines of the table and entries of the object."""

    lines: list[Line]
    figures: dict[str, Any]


def format_table(lines: Iterable[Line]) -> str:
    """A line each: what was done, what was seen, whether that is right."""
    words = {True: "ok", False: "NOT OK", None: "skipped"}
    rows = [("done", "seen", "")]
    rows += [
        (line.done, textwrap.shorten(line.seen, _WIDTH), words[line.ok])
        for line in lines
    ]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(
        f"{done:{widths[0]}}  {seen:{widths[1]}}  {ok}".rstrip()
        for done, seen, ok in rows
    )


def format_json(reports: Iterable[Report]) -> str:
    """All entries; `ok` is whether all was right that could be tried."""
    figures: dict[str, Any] = {}
    ok = True
    for report in reports:
        figures |= report.figures
        ok = ok and all(line.ok is not False for line in report.lines)
    return json.dumps(figures | {"ok": ok})

"""Tables for people: text in columns."""

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Returns lines with cells to the right of columns as wide as needed."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) for cell, width in zip(row, widths, strict=True)
        )
        for row in rows
    )


def percent(share: float | None) -> str:
    """Returns `12.34 %` for 0.1234, and `-` for None."""
    return "-" if share is None else f"{100 * share:.2f} %"

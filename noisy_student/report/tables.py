"""Tables: text in columns for people, and CSV files."""

import csv
import io
from collections.abc import Iterable, Sequence

from etils import epath

from noisy_student.files import writing


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Returns lines with cells to the right of columns as wide as needed."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) for cell, width in zip(row, widths, strict=True)
        )
        for row in rows
    )


def save_csv(
    path: epath.Path, header: Sequence[str], rows: Iterable[Sequence]
) -> None:
    """Writes a CSV file; a cell that is NaN is left empty.

    Raises:
        InputError: the file cannot be written.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow("" if value != value else value for value in row)
    writing.write_text(path, file.getvalue())


def percent(share: float | None) -> str:
    """Returns `12.34 %` for 0.1234, and `-` for None."""
    return "-" if share is None else f"{100 * share:.2f} %"

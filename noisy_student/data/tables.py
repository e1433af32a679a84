"""A folder of images whose labels stand in a table, a CSV file."""

import csv
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from etils import epath

from noisy_student.data import image_files
from noisy_student.data.folders import UNLABELED_SPLITS, ImageFolders, Split
from noisy_student.errors import listed

_TRAIN, _UNLABELED = "train", UNLABELED_SPLITS[1]
_COLUMNS = ("path", "class")
_READ = (*_COLUMNS, "split")


class _Row(NamedTuple):
    label: str
    split: str


class LabelTable(ImageFolders):
    """Images of a folder as an `ImageSet`, with the labels of a table.

    The table has the columns path, relative to the folder, and class; others
    are ignored, but for split, which is train where it is empty or missing. The
    images that it does not name, or names without a class, are unlabelled.

    Args:
        directory: The folder.
        table: The CSV file, in UTF-8.

    Raises:
        ValueError: A column is missing, a path is twice in the table or not
            in the folder, or no image has a class.
    """

    def __init__(self, directory: epath.Path, table: epath.Path) -> None:
        super().__init__([directory])
        self.name = str(table)
        paths, others = image_files.find(directory)
        image_files.warn_of_others(others, str(directory))
        rows = _read(table, str(directory))
        missing = sorted({*rows} - {*paths})
        if missing:
            raise ValueError(
                f"labels_csv={table} names what is no image in {directory}: "
                f"{listed(missing)}. Correct these paths, which are relative "
                "to label_data_dir, or remove their lines."
            )
        if not any(row.label for row in rows.values()):
            raise ValueError(
                f"labels_csv={table} must give a class to some images; it "
                "gives none."
            )
        self._of_split: dict[str, list[tuple[str, str]]] = {}
        for path in paths:
            row = rows.get(path)
            split, label = _UNLABELED, ""
            if row is not None and row.label:
                split, label = row.split or _TRAIN, row.label
            self._of_split.setdefault(split, []).append((path, label))

    def split_names(self) -> list[str]:
        """Returns the splits that the table names, and that of the others."""
        return list(self._of_split)

    def _class_folders(self, splits: Sequence[str]) -> set[str]:
        return {
            label
            for split in splits
            for _, label in self._of_split.get(split, [])
            if label
        }

    def _files(self, split: str) -> Split:
        columns = zip(*self._of_split[split], strict=True)
        return Split(*(np.array(column, object) for column in columns))


def _read(table: epath.Path, directory: str) -> dict[str, _Row]:
    """The rows of the table by the path of their image."""
    with table.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        columns = reader.fieldnames or []
        if not {*_COLUMNS} <= {*columns}:
            raise ValueError(
                f"labels_csv={table} must begin with the line path,class (or "
                f"have these columns among others); it has {','.join(columns)}."
            )
        rows: dict[str, _Row] = {}
        for line in reader:
            name, label, split = (
                (line.get(column) or "").strip() for column in _READ
            )
            path = os.path.normpath(os.path.join(directory, name))
            if path in rows:
                raise ValueError(
                    f"labels_csv={table} has {name} twice (line "
                    f"{reader.line_num}); remove one of the lines."
                )
            rows[path] = _Row(label, split)
    return rows

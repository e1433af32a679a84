"""Folders of frames, TYPE/CLASS/IMAGE/*.png: sequences as ImageNet-P has them.

ImageNet-P itself is published as videos; frames are image files, such as
`ffmpeg -i IMAGE.mp4 IMAGE/%03d.png` makes.
"""

import dataclasses
import os
import pathlib
import re
from collections.abc import Sequence

import numpy as np

from noisy_student.data import image_files
from noisy_student.data.folders import FileSource

_MAX_NAMES = 10  # missing things named in a message


@dataclasses.dataclass(frozen=True)
class FrameFolders:
    """The sequences of one type of perturbation.

    Attributes:
        kind: The type.
        paths: The files of the frames, str (sequences, frames).
    """

    kind: str
    paths: np.ndarray

    def first(self, number: int | None) -> "FrameFolders":
        """Returns the first sequences; all where `number` is None.

        Raises:
            ValueError: There are not so many.
        """
        if number is not None and number > len(self.paths):
            raise ValueError(
                f"num_robustness_images={number} is more than the "
                f"{len(self.paths)} sequences of {self.kind} in "
                "perturbed_data_dir."
            )
        return dataclasses.replace(self, paths=self.paths[:number])


def frames_of(sequences: Sequence[FrameFolders]) -> FileSource:
    """Returns the frames of all sequences, in order; they have no labels."""
    paths = np.concatenate([each.paths.ravel() for each in sequences])
    labels = np.full(len(paths), -1, np.int64)
    name = ", ".join(each.kind for each in sequences)
    return FileSource.from_files(paths, labels, np.arange(len(paths)), name)


def open_folders(directory: str, kinds: Sequence[str]) -> list[FrameFolders]:
    """Opens the folders TYPE/CLASS/IMAGE of a directory.

    Args:
        directory: The directory.
        kinds: The types.

    Returns:
        The sequences of each type. Frames are in the order of the numbers in
        their names.

    Raises:
        ValueError: Types or frames are missing, all of which are listed.
    """
    root = pathlib.Path(directory)
    if not root.is_dir():
        raise ValueError(f"perturbed_data_dir: there is no directory {root}.")
    missing = [kind for kind in kinds if not (root / kind).is_dir()]
    if missing:
        raise ValueError(
            f"perturbed_data_dir {root} must have the folders TYPE/CLASS/IMAGE "
            f"of all types; it lacks {', '.join(missing)}. Add them, or name "
            "fewer --perturbation_types."
        )
    return [_open_kind(root, kind) for kind in kinds]


def _open_kind(root: pathlib.Path, kind: str) -> FrameFolders:
    folders = sorted(
        path
        for path in (root / kind).glob("*/*")
        if path.is_dir() and not image_files.is_hidden(path.name)
    )
    if not folders:
        raise ValueError(
            f"{root / kind} must have folders CLASS/IMAGE of frames as image "
            f"files ({' '.join(image_files.EXTENSIONS)}), and has none. Of a "
            "video they are made by: ffmpeg -i IMAGE.mp4 IMAGE/%03d.png"
        )
    files = {folder: _frames(folder) for folder in folders}
    most = max(2, *(len(paths) for paths in files.values()))
    fewer = [
        f"{folder.relative_to(root)} ({len(paths)})"
        for folder, paths in files.items()
        if len(paths) < most
    ]
    if fewer:
        more = len(fewer) - _MAX_NAMES
        others = f" and {more} others" if more > 0 else ""
        raise ValueError(
            f"The {len(folders)} sequences of {root / kind} must have the same "
            f"number of frames, up to {most}; frames are missing in "
            f"{', '.join(fewer[:_MAX_NAMES])}{others}."
        )
    return FrameFolders(kind, np.array(list(files.values()), object))


def _frames(folder: pathlib.Path) -> list[str]:
    names = [
        name
        for name in os.listdir(folder)
        if image_files.is_image(name) and not image_files.is_hidden(name)
    ]
    return [str(folder / name) for name in sorted(names, key=_by_number)]


def _by_number(name: str) -> list[tuple[int, str]]:
    """Returns a key by which frame_2 comes before frame_10."""
    parts = re.split(r"(\d+)", name)
    return [(int(part) if part.isdigit() else -1, part) for part in parts]

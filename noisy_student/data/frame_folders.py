"""Folders of frames, TYPE/CLASS/IMAGE/*.png: sequences as ImageNet-P has them.

ImageNet-P itself is published as videos; frames are image files, such as
`ffmpeg -i IMAGE.mp4 IMAGE/%03d.png` makes.
"""

import dataclasses
import os
import re
from collections.abc import Sequence

import numpy as np
from etils import epath

from noisy_student.config.paths import to_path
from noisy_student.data import image_files, limits
from noisy_student.data.folders import FileSource
from noisy_student.errors import listed
from noisy_student.files import remote


@dataclasses.dataclass(frozen=True)
class FrameFolders:
    """The sequences of one type of perturbation.

    Attributes:
        kind: The type.
        paths: The files of the frames, str (sequences, frames).
    """

    kind: str
    paths: np.ndarray

    def some(self, number: int | None) -> "FrameFolders":
        """Returns so many sequences, evenly spread; all where it is None.

        Raises:
            ValueError: There are not so many.
        """
        if number is not None and number > len(self.paths):
            raise ValueError(
                f"num_robustness_images={number} is more than the "
                f"{len(self.paths)} sequences of {self.kind} in "
                "perturbed_data_dir."
            )
        if number is None:
            return self
        places = limits.spread(len(self.paths), number)
        return dataclasses.replace(self, paths=self.paths[places])


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
    root = to_path(directory)
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


def _open_kind(root: epath.Path, kind: str) -> FrameFolders:
    folders = [
        root / kind / name / image
        for name in remote.listing(root / kind)[0]
        for image in remote.listing(root / kind / name)[0]
        if not image_files.is_hidden(image)
    ]
    if not folders:
        raise ValueError(
            f"{root / kind} must have folders CLASS/IMAGE of frames as image "
            f"files ({' '.join(image_files.EXTENSIONS)}), and has none. Of a "
            "video they are made by: ffmpeg -i IMAGE.mp4 IMAGE/%03d.png"
        )
    frames = {folder: _frames(folder) for folder in folders}
    numbers = sorted({n for found in frames.values() for n in found})
    # Numbers that no sequence has are missing, too.
    wanted = range(numbers[0], numbers[-1] + 1) if numbers else range(2)
    fewer = [
        f"{folder.relative_to(root)} ({listed(missing, 3)})"
        for folder, found in frames.items()
        if (missing := [str(n) for n in wanted if n not in found])
    ]
    if fewer or len(wanted) < 2:
        raise ValueError(
            f"The {len(folders)} sequences of {root / kind} must have the same "
            "frames, at least two, numbered without a gap by the last number "
            f"in their names; frames are missing in {listed(fewer)}."
        )
    paths = [[found[n] for n in wanted] for found in frames.values()]
    return FrameFolders(kind, np.array(paths, object))


def _frames(folder: epath.Path) -> dict[int, str]:
    """Returns the frames' files by the last number in their names."""
    found = {}
    for name in remote.listing(folder)[1]:
        numbers = re.findall(r"\d+", os.path.splitext(name)[0])
        hidden = image_files.is_hidden(name)
        if numbers and image_files.is_image(name) and not hidden:
            found[int(numbers[-1])] = str(folder / name)
    return found

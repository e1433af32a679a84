"""A folder of any images, to be labelled: which they are, and their bytes."""

import numpy as np
from etils import epath

from noisy_student.data import image_files
from noisy_student.data.folders import FileSource
from noisy_student.data.sources import ImageSource


def find(directory: epath.Path) -> list[str]:
    """Returns the paths of the images in a folder and its folders, sorted.

    One warning tells of files that are no images.

    Raises:
        ValueError: There is no such folder, or it has no images.
    """
    if not directory.is_dir():
        raise ValueError(f"image_dir: there is no directory {directory}.")
    paths, others = image_files.find(directory)
    image_files.warn_of_others(others, str(directory))
    if not paths:
        raise ValueError(
            f"image_dir={directory} must hold images "
            f"({' '.join(image_files.EXTENSIONS)}); it has none."
        )
    return paths


def source(paths: list[str], name: str) -> ImageSource:
    """Returns the images of some files.

    Args:
        paths: Of the files.
        name: Of the source, for messages.
    """
    count = len(paths)
    unknown = np.full(count, -1, np.int64)
    return FileSource.from_files(
        np.array(paths, object), unknown, np.arange(count), name
    )

"""Finds test images among those that are trained on, by their content.

Photographs are often copied from one folder to another. A test image that was
trained on makes the accuracy look better than it is.
"""

import collections
import os

import numpy as np
from absl import logging

from noisy_student.config.paths import is_remote, to_path
from noisy_student.data.folders import FileSource
from noisy_student.data.sources import ImageSource
from noisy_student.errors import listed
from noisy_student.files import stamps

_UNKNOWN = -1


def without_test_images(
    source: ImageSource, test: ImageSource, kind: str
) -> ImageSource:
    """Leaves out the images whose files are those of test images.

    A warning names them. Files in buckets and records are not compared, nor
    the very same files: where splits overlap, flags say so.

    Args:
        source: Images to train on.
        test: The test images.
        kind: What the first ones are, for the warning.
    """
    if not isinstance(source, FileSource) or not isinstance(test, FileSource):
        return source
    test_paths = {*test.paths}
    by_size = collections.defaultdict(list)
    for path in test.paths:
        by_size[_size(path)].append(path)
    # Files are only read where there is another one of the same size.
    tested: dict[int, set[str]] = {_UNKNOWN: set()}
    mask = np.zeros(source.num_images, bool)
    for place, path in enumerate(source.paths):
        size = _size(path)
        if size in by_size and size not in tested:
            tested[size] = {_digest(other) for other in by_size[size]}
        if tested.get(size) and path not in test_paths:
            mask[place] = _digest(path) in tested[size]
    if not mask.any():
        return source
    logging.warning(
        "%d %s images are test images, too, and are left out of training: %s.",
        mask.sum(),
        kind,
        listed([str(path) for path in source.paths[mask]]),
    )
    return source.subset(~mask)


def _size(path: str) -> int:
    """The size of a file in bytes, if that does not take long to ask."""
    if is_remote(path):
        return _UNKNOWN
    try:
        return os.stat(path).st_size
    except OSError:
        return _UNKNOWN  # who reads it will say so


def _digest(path: str) -> str:
    return stamps.digest([to_path(path)])

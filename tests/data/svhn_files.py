"""Stand-ins of SVHN's three files, of scikit-learn's scanned digits."""

import functools

import numpy as np
import scipy.io
from PIL import Image
from sklearn.datasets import load_digits


@functools.cache
def digits():
    """All scans, uint8 (1797, 32, 32, 3), and their digits."""
    scans = load_digits()
    images = [
        Image.fromarray((scan * 255 / 16).astype(np.uint8)).resize((32, 32))
        for scan in scans.images
    ]
    return np.stack(
        [np.asarray(i.convert("RGB")) for i in images]
    ), scans.target


def write_svhn(directory, **sizes):
    """Writes files of so many digits each; returns images and labels of each.

    Args:
        directory: where SVHN's are downloaded to.
        **sizes: the numbers of images of train, test and extra.
    """
    directory.mkdir(parents=True, exist_ok=True)
    images, labels = digits()
    parts, start = {}, 0
    for name, size in sizes.items():
        part = slice(start, start + size)
        parts[name] = images[part], labels[part]
        write_mat(directory / f"{name}_32x32.mat", *parts[name])
        start += size
    assert start <= len(images)
    return parts


def write_mat(path, images, labels):
    """Writes a file as SVHN's are, in which 10 stands for the digit 0."""
    content = {
        "X": np.transpose(images, (1, 2, 3, 0)),
        "y": np.where(labels == 0, 10, labels).astype(np.uint8)[:, None],
    }
    scipy.io.savemat(path, content, do_compression=True)

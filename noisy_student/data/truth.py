"""The true classes of unlabelled images, for the reports of pseudo labels.

A file gives them where the images themselves do not. They become the labels
of the unlabelled images, which no training, filtering or choice of images
reads.
"""

import dataclasses

import numpy as np
from etils import epath

from noisy_student.config.paths import to_path
from noisy_student.data.sources import TaskData
from noisy_student.files import remote, stamps

_NONE_OF_THEM = -1  # in the file


def with_truth(data: TaskData, file: str | None) -> TaskData:
    """Gives the unlabelled images the true classes that a file says.

    Call it before any of these images is left out, so that what the file says
    of one goes with it.

    Args:
        data: The images.
        file: What `unlabel_truth` names: an .npy file of integers, (unlabelled
            images,), 0-based in the order of the images, -1 for an image that
            is of none of the classes. None leaves the images as they are.

    Returns:
        The task with the unlabelled images relabelled. As -1 means unknown in
        an `ImageSource`, one of none of the classes has the label
        `num_classes`: it is known, and no pseudo label is right.

    Raises:
        ValueError: There are no such images, or the file does not fit them.
    """
    if file is None:
        return data
    images = data.unlabeled
    if images is None:
        raise ValueError(
            f"unlabel_truth={file} is for unlabelled images of unknown classes,"
            " and there are none: name them by unlabel_image_dir or "
            "unlabel_split (those that num_labeled leaves have their classes), "
            "or leave it out."
        )
    path, number = to_path(file), data.task.num_classes
    classes = _read(path)
    if classes.dtype.kind not in "iu" or classes.shape != (images.num_images,):
        raise ValueError(
            f"unlabel_truth={file} must hold an integer for each of the "
            f"{images.num_images} unlabelled images ({images.name}); it holds "
            f"{classes.dtype} of the shape {classes.shape}."
        )
    wrong = np.flatnonzero((classes < _NONE_OF_THEM) | (classes >= number))
    if len(wrong):
        raise ValueError(
            f"unlabel_truth={file} must hold classes from 0 to {number - 1}, "
            f"or -1 for none of them; it has {classes[wrong[0]]} for image "
            f"{wrong[0]}, counted from 0."
        )
    labels = np.where(classes == _NONE_OF_THEM, number, classes)
    return dataclasses.replace(
        data,
        unlabeled=images.with_labels(labels.astype(np.int64)),
        truth=stamps.digest([path]),
    )


def _read(path: epath.Path) -> np.ndarray:
    """Reads an array.

    Raises:
        ValueError: There is no such file, or it holds something else.
    """
    if not path.is_file():
        raise ValueError(f"unlabel_truth: there is no file {path}.")
    try:
        with remote.open_binary(path) as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except ValueError as error:
        raise ValueError(
            f"unlabel_truth={path} must be an .npy file, as numpy.save writes "
            f"one ({error})."
        ) from error

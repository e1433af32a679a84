"""Other test sets of a task's classes, found by name or in class folders.

ImageNet-A (arXiv 1907.07174), -R (2006.16241), -V2 (1902.10811), -Sketch
(1905.13549) and CIFAR-10.1 (1806.00451) are those of tensorflow-datasets.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from etils import epath

from noisy_student.config.paths import to_path
from noisy_student.data import splits
from noisy_student.data.folders import FileSource, ImageFolders
from noisy_student.data.sources import ImageSource, TaskData
from noisy_student.errors import listed

_FLAG = "natural_sets"
_CIFAR10 = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)


class _Known(NamedTuple):
    """A test set of tensorflow-datasets.

    Attributes:
        data_set: Its name there.
        task: The task whose classes, numbers and all, its labels are.
        num_classes: Number of classes that it has images of, where these are
            fewer, and its authors limit predictions to them.
        class_names: The names of the task's classes; None for its own.
    """

    data_set: str
    task: str
    num_classes: int | None = None
    class_names: tuple[str, ...] | None = None


_KNOWN = {
    "imagenet-a": _Known("imagenet_a", "imagenet2012", 200),
    "imagenet-r": _Known("imagenet_r", "imagenet2012", 200),
    "imagenet-v2": _Known("imagenet_v2/matched-frequency", "imagenet2012"),
    "imagenet-sketch": _Known("imagenet_sketch", "imagenet2012"),
    # The version that its authors recommend.
    "cifar10.1": _Known("cifar10_1/v6", "cifar10", class_names=_CIFAR10),
}


@dataclasses.dataclass(frozen=True)
class NaturalSet:
    """A test set.

    Attributes:
        source: Its images, whose labels are classes of the task.
        classes: The classes that it has images of, int64 (n,), ascending.
        limited: Whether predictions are limited to these by custom.
    """

    source: ImageSource
    classes: np.ndarray
    limited: bool


def open_set(
    name: str,
    data: TaskData,
    data_dir: str | None = None,
    class_map: Mapping[str, str | int] | None = None,
) -> NaturalSet:
    """Opens a test set.

    Args:
        name: One that is known, or a directory of class folders.
        data: The task that it is another test set of.
        data_dir: Where tensorflow-datasets keeps its data; None is its
            default.
        class_map: See `read_class_map`; for class folders alone.

    Raises:
        ValueError: It is not there, or its classes are not the task's.
    """
    if name in _KNOWN:
        return _open_known(name, data, data_dir)
    return _open_folders(name, data, class_map or {})


def read_class_map(path: epath.Path) -> dict[str, str | int]:
    """Reads which class the images of a folder have.

    Args:
        path: JSON, an object from names of folders to names of classes or
            their numbers from 0 on.

    Raises:
        ValueError: There is no such file, or it is something else.
    """
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(
            f"natural_class_map={path} cannot be read: {error}"
        ) from error
    if not isinstance(found, dict) or not all(
        type(value) in (str, int) for value in found.values()
    ):
        raise ValueError(
            f"natural_class_map={path} must be a JSON object of folders with "
            'their classes, such as {"folder": "class", "other": 3}.'
        )
    return found


def _open_known(name: str, data: TaskData, data_dir: str | None) -> NaturalSet:
    from noisy_student.data.tfds import NamedImages  # slow to import

    known = _KNOWN[name]
    images = NamedImages(known.data_set, data_dir, download=False)
    _check_task(name, known, known.class_names or images.class_names, data)
    source = splits.open_split(images, "test", _FLAG)
    if known.num_classes is None:
        return NaturalSet(source, np.arange(data.task.num_classes), False)
    classes = np.unique(source.labels())
    if len(classes) != known.num_classes:
        raise ValueError(
            f"{_FLAG}={name} must have images of {known.num_classes} classes, "
            f"and that in {images.builder.data_path} has {len(classes)}; "
            "prepare it again."
        )
    return NaturalSet(source, classes, True)


def _check_task(
    name: str, known: _Known, class_names: Sequence[str], data: TaskData
) -> None:
    """Refuses a task whose labels mean other classes.

    Raises:
        ValueError: They do, or it is not known what they mean.
    """
    task, found = data.task, data.class_names
    problem = f"{_FLAG}={name} is for the {len(class_names)} classes of "
    problem += f"{known.task}, and the task {task.name} has"
    if found is None:
        if (task.name, task.num_classes) != (known.task, len(class_names)):
            raise ValueError(f"{problem} {task.num_classes} others.")
    elif missing := [each for each in class_names if each not in found]:
        raise ValueError(f"{problem} no {listed(missing)}.")
    elif tuple(found) != tuple(class_names):
        raise ValueError(f"{problem} more, or another order.")


def _open_folders(
    name: str, data: TaskData, class_map: Mapping[str, str | int]
) -> NaturalSet:
    path = to_path(name)
    if not path.is_dir():
        raise ValueError(
            f"{_FLAG}={name} is no directory, and none of {', '.join(_KNOWN)}."
        )
    images = ImageFolders([path])
    images.read_classes([splits.WHOLE])
    if not images.class_names:
        raise ValueError(
            f"{_FLAG}={name} must hold a folder of images for each class, and "
            "has no folders."
        )
    numbers = _class_numbers(name, images.class_names, data, class_map)
    source = splits.open_split(images, splits.WHOLE, _FLAG)
    assert isinstance(source, FileSource)  # as of all folders
    labels = numbers[source.labels()]
    mapped = FileSource.from_files(source.paths, labels, source.index, name)
    return NaturalSet(mapped, np.unique(labels), False)


def _class_numbers(
    name: str,
    folders: Sequence[str],
    data: TaskData,
    class_map: Mapping[str, str | int],
) -> np.ndarray:
    """Returns the class of each folder, int64 (folders,).

    A folder that the map does not have is a class's own.

    Raises:
        ValueError: Folders have no class, or one that the task does not have.
    """
    known = range(data.task.num_classes)
    names = data.class_names or tuple(map(str, known))
    numbers = {each: number for number, each in enumerate(names)}
    strays = [
        each for each in folders if each not in class_map and each not in names
    ]
    if strays:
        raise ValueError(
            f"{_FLAG}={name}: the folders {listed(strays)} are no classes of "
            f"the task {data.task.name} ({listed(names)}); name their classes "
            "in natural_class_map, or rename them."
        )
    values = [class_map.get(each, each) for each in folders]
    unknown = [
        str(each) for each in values if each not in known and each not in names
    ]
    if unknown:
        raise ValueError(
            f"natural_class_map: the task {data.task.name} has no class "
            f"{listed(unknown)}; it has {listed(names)}."
        )
    found = [
        each if isinstance(each, int) else numbers[each] for each in values
    ]
    return np.array(found, np.int64)

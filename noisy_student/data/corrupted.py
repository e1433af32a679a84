"""Published corrupted images: folders as ImageNet-C has them, and data sets.

They are opened here; those that are made on the fly are made of test images in
`disturbances/`.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from etils import epath

from noisy_student.config.paths import to_path
from noisy_student.data.folders import FileSource, ImageFolders
from noisy_student.data.sources import ImageSource, Span
from noisy_student.errors import listed

# Data sets of tensorflow-datasets by task, and their names of types where
# these differ from ImageNet-C's.
_NAMED = {
    "imagenet2012": ("imagenet2012_corrupted", {}),
    "cifar10": (
        "cifar10_corrupted",
        {"glass_blur": "frosted_glass_blur", "elastic_transform": "elastic"},
    ),
}


class Condition(NamedTuple):
    """A type of corruption at a severity."""

    kind: str
    severity: int


def conditions(
    kinds: Iterable[str], severities: Iterable[int]
) -> list[Condition]:
    """Returns all pairs, type by type."""
    return [Condition(*pair) for pair in itertools.product(kinds, severities)]


def open_folders(
    directory: str,
    wanted: Sequence[Condition],
    class_names: tuple[str, ...] | None,
    num_classes: int,
) -> list[FileSource]:
    """Opens the folders TYPE/SEVERITY/CLASS of a directory.

    Args:
        directory: The directory.
        wanted: What is opened.
        class_names: The names of the classes in the order of their labels;
            None takes the class folders, sorted, if they are as many.
        num_classes: The number of classes.

    Returns:
        The images of each condition.

    Raises:
        ValueError: Types, severities or images are missing, all of which are
            listed; or a folder is none of the classes.
    """
    root = to_path(directory)
    if not root.is_dir():
        raise ValueError(f"corrupted_data_dir: there is no directory {root}.")
    missing = [
        f"{kind}/{severity}"
        for kind, severity in wanted
        if not (root / kind / str(severity)).is_dir()
    ]
    if missing:
        raise ValueError(
            f"corrupted_data_dir {root} must have the folders TYPE/SEVERITY/"
            f"CLASS of all types and severities; it lacks {listed(missing)}. "
            "Add them, or name fewer --corruption_types or --severities."
        )
    sources = [
        _open_folder(root / kind, str(severity), class_names, num_classes)
        for kind, severity in wanted
    ]
    _check_complete(root, wanted, sources, num_classes)
    return sources


def _open_folder(
    directory: epath.Path,
    severity: str,
    class_names: tuple[str, ...] | None,
    num_classes: int,
) -> FileSource:
    images = ImageFolders([directory])
    images.read_classes([severity])
    if class_names is None and len(images.class_names) == num_classes:
        class_names = images.class_names
    if class_names is None:
        raise ValueError(
            f"{directory / severity} must have a folder for each of the "
            f"{num_classes} classes, since their names are not known; it has "
            f"{len(images.class_names)}."
        )
    images.class_names = class_names
    images.check_classes([severity])
    [number] = images.shard_sizes(severity)
    return images.source([Span(severity, 0, number)], f"{directory / severity}")


def _check_complete(
    root: epath.Path,
    wanted: Sequence[Condition],
    sources: Sequence[FileSource],
    num_classes: int,
) -> None:
    """Refuses conditions that lack images of another one, or classes."""
    names = {}
    for condition, source in zip(wanted, sources, strict=True):
        folder = root / condition.kind / str(condition.severity)
        names[condition] = {
            str(to_path(path).relative_to(folder)) for path in source.paths
        }
    whole = set[str]().union(*names.values())
    fewer = [
        f"{kind}/{severity} ({len(whole - found)}, such as "
        f"{min(whole - found)})"
        for (kind, severity), found in names.items()
        if found < whole
    ]
    if fewer:
        raise ValueError(
            f"corrupted_data_dir {root} must have the same images for all "
            f"types and severities; some are missing in {listed(fewer)}. Add "
            "them."
        )
    classes = {to_path(name).parts[0] for name in whole}
    if len(classes) < num_classes:
        raise ValueError(
            f"corrupted_data_dir {root} must have images of all {num_classes} "
            f"classes, and has those of {len(classes)}: "
            f"{listed(sorted(classes))}."
        )


def open_prepared(
    task_name: str, data_dir: str | None, wanted: Sequence[Condition]
) -> list[ImageSource] | None:
    """Opens what tensorflow-datasets has prepared; downloads nothing.

    Args:
        task_name: The task.
        data_dir: Where tensorflow-datasets keeps its data; None is its
            default.
        wanted: What is opened.

    Returns:
        The images of each condition; None where nothing is prepared.

    Raises:
        ValueError: Only some of it is prepared; the rest is listed.
    """
    if task_name not in _NAMED:
        return None
    import tensorflow_datasets as tfds  # slow to import

    from noisy_student.data.tfds import NamedImages

    data_set, other_names = _NAMED[task_name]
    names = [
        f"{data_set}/{other_names.get(kind, kind)}_{severity}"
        for kind, severity in wanted
    ]
    missing = [
        name
        for name in names
        if not tfds.builder(name, data_dir=data_dir).is_prepared()
    ]
    if len(missing) == len(names):
        return None
    if missing:
        raise ValueError(
            f"tensorflow-datasets has prepared only some of {data_set}; it "
            f"lacks {listed(missing)}. Prepare them, or name fewer "
            "--corruption_types or --severities."
        )
    sources = []
    for name in names:
        images = NamedImages(name, data_dir)
        [split] = images.split_names()
        number = sum(images.shard_sizes(split))
        sources.append(images.source([Span(split, 0, number)], name))
    return sources

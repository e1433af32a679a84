"""Images to label: those of a task, or records that stand alone.

The original program predicts and filters a directory of records that holds
neither labelled nor test images; `file_prefix` names them.
"""

import numpy as np
from etils import epath

from noisy_student.config import DataConfig
from noisy_student.config.paths import to_path
from noisy_student.data import record_files, splits
from noisy_student.data.directories import count_classes, make_task
from noisy_student.data.open import open_task
from noisy_student.data.sources import TaskData
from noisy_student.data.tfrecords import RecordDirectories, RecordSource
from noisy_student.data.truth import with_truth


def open_to_label(config: DataConfig, seed: int) -> TaskData:
    """Opens the images that a teacher labels.

    Args:
        config: With `file_prefix` it names records, else a task.
        seed: See `open_task`.

    Raises:
        ValueError: They are not there, or the settings do not fit them.
    """
    if config.file_prefix is None:
        return open_task(config, seed)
    paths = directories(config)
    images = RecordDirectories(paths)
    prefix = config.file_prefix
    if prefix not in images.split_names():
        raise ValueError(_no_files(paths[0], prefix))
    source = splits.open_split(images, prefix, "file_prefix")
    assert isinstance(source, RecordSource)
    names = images.class_names
    num_classes = count_classes(config, images, names)
    data = records_alone(config, source, num_classes, names)
    return with_truth(data, config.unlabel_truth)


def directories(config: DataConfig) -> list[epath.Path]:
    """Returns those in which `file_prefix` is looked for.

    Raises:
        ValueError: There are none, or the settings name other images, too.
    """
    if config.label_data_dir is None:
        raise ValueError(
            f"file_prefix={config.file_prefix} needs label_data_dir, the "
            "directory of these files."
        )
    for name in ("unlabel_image_dir", "unlabel_split"):
        if getattr(config, name) is not None:
            raise ValueError(
                f"file_prefix={config.file_prefix} and {name}="
                f"{getattr(config, name)} both say which images to label; "
                "leave out one of them."
            )
    paths = [to_path(name) for name in config.label_data_dir.split(";")]
    for path in paths:
        if not path.is_dir():
            raise ValueError(_no_files(path, config.file_prefix))
    return paths


def _no_files(path: epath.Path, prefix: str | None) -> str:
    there = path.is_dir()
    problem = f"{path} has no" if there else f"There is no directory {path} of"
    return (
        f"{problem} files {prefix}-00000-of-..., which file_prefix={prefix} "
        f"asks for{record_files.places_of(path, str(prefix))}."
    )


def records_alone(
    config: DataConfig,
    source: RecordSource,
    num_classes: int,
    class_names: tuple[str, ...] | None = None,
) -> TaskData:
    """Returns a task whose only images are unlabelled records.

    Args:
        config: Names them, and perhaps a known task.
        source: The records.
        num_classes: The number of classes.
        class_names: Their names; None if unknown.
    """
    nothing = source.subset(np.zeros(source.num_images, bool))
    return TaskData(
        make_task(config, num_classes, source),
        labeled=nothing,
        unlabeled=source,
        test=nothing,
        # Only what names the records: the original's filtering is told less
        # of the task than its prediction.
        identity={
            "unlabel_image_dir": config.label_data_dir,
            "unlabel_split": config.file_prefix,
        },
        class_names=class_names,
    )

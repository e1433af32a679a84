"""Finds the images that a task's flags name, and the names of its splits."""

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from noisy_student.config import DataConfig
from noisy_student.config.paths import to_path
from noisy_student.data import limits, record_files, splits
from noisy_student.data.folders import UNLABELED_SPLITS, ImageFolders
from noisy_student.data.sources import ImageSet, ImageSource
from noisy_student.data.tables import LabelTable
from noisy_student.data.tfrecords import RecordDirectories

if TYPE_CHECKING:  # slow to import
    from noisy_student.data.tfds import NamedImages

Directories = ImageFolders | RecordDirectories
_Images = TypeVar("_Images", bound=ImageSet, covariant=True)


class TaskSplits(NamedTuple, Generic[_Images]):
    """Which splits of which images serve for what.

    Attributes:
        images: The image set.
        label: Expression of the labelled split.
        test: Expression of the test split; None if there is none.
        unlabeled: The split that is unlabelled unless a flag names another;
            None if there is none.
    """

    images: _Images
    label: str
    test: str | None
    unlabeled: str | None

    def open_unlabeled(self, config: DataConfig) -> ImageSource | None:
        """Opens the unlabelled split, if there is one beside the others."""
        split = config.unlabel_split or self.unlabeled
        if split is None or config.unlabel_image_dir is not None:
            return None
        return splits.open_split(self.images, split, "unlabel_split")

    def validation(self, config: DataConfig) -> str | None:
        """The split that validates; None if there is none.

        It is `validation_split`, or else dev or validation, if no image of it
        is trained or tested on.
        """
        if config.validation_split is not None:
            return config.validation_split
        if config.validation_fraction:
            return None
        unlabeled = self.unlabeled
        if config.unlabel_image_dir is None:  # else the split is of that
            unlabeled = config.unlabel_split or unlabeled
        taken = {
            name
            for expression in (self.label, self.test, unlabeled)
            for name in splits.split_names(expression or "", self.images)
        }
        free = {*self.images.split_names()} - taken
        return next((n for n in limits.VALIDATION_SPLITS if n in free), None)


def named(config: DataConfig) -> TaskSplits["NamedImages"]:
    """Finds the data set of tensorflow-datasets that `task_name` names.

    Raises:
        ValueError: It is unknown, has no labels, or cannot be downloaded.
    """
    from noisy_student.data.tfds import NamedImages  # slow to import

    images = NamedImages(config.task_name, config.tfds_data_dir)
    task = images.task()
    label = config.label_split or task.label_split
    test = config.test_split or task.test_split
    return TaskSplits(images, label, test, task.unlabel_split)


def class_names_of(config: DataConfig) -> tuple[str, ...] | None:
    """Returns the names that tensorflow-datasets has for a task's classes.

    Nothing is downloaded.

    Returns:
        None for the digits, which it does not know.

    Raises:
        ValueError: The task is unknown.
    """
    if config.task_name == "digits":
        return None
    from noisy_student.data import tfds  # slow to import

    return tfds.class_names(config.task_name, config.tfds_data_dir)


def in_directories(config: DataConfig) -> TaskSplits[Directories]:
    """Finds the images of `label_data_dir`, and the classes of folders.

    Raises:
        ValueError: See `find_kind`; or there is no labelled split, or TFRecords
            have none with the name of a test split.
    """
    assert config.label_data_dir is not None  # the caller looked
    if config.labels_csv is None:
        images = find_kind(config.label_data_dir, "label_data_dir")
    else:
        images = _with_table(config.label_data_dir, config.labels_csv)
    label = config.label_split or "train"
    if isinstance(images, ImageFolders):
        images.read_classes(splits.split_names(label, images))
        # Says what is wrong with it before the test split is looked for.
        splits.resolve(label, images, "label_split")
    test = config.test_split or _default_test_split(images)
    return TaskSplits(images, label, test, unlabeled_split(images))


def _with_table(label_data_dir: str, labels_csv: str) -> LabelTable:
    """Finds the images of a folder that have their labels in a table.

    Raises:
        ValueError: A file is missing, or see `LabelTable`.
    """
    directory, table = to_path(label_data_dir), to_path(labels_csv)
    if ";" in label_data_dir or not directory.is_dir():
        raise ValueError(
            f"label_data_dir={label_data_dir} must be one directory with the "
            f"images of labels_csv={labels_csv}."
        )
    if not table.is_file():
        raise ValueError(f"labels_csv: there is no file {table}.")
    return LabelTable(directory, table)


def of_task(config: DataConfig) -> TaskSplits[ImageSet]:
    """Finds whichever of both the flags name; not for the digits."""
    return (named if config.label_data_dir is None else in_directories)(config)


def find_kind(joined: str, flag: str) -> Directories:
    """Finds out what directories, joined with `;`, hold.

    Raises:
        ValueError: One is missing, they differ, or they hold no images.
    """
    paths = [to_path(name) for name in joined.split(";")]
    for path in paths:
        if not path.is_dir():
            raise ValueError(f"{flag}: there is no directory {path}.")
    with_records = [path for path in paths if record_files.find(path)]
    if len(with_records) == len(paths):
        return RecordDirectories(paths)
    if with_records:
        raise ValueError(
            f"{flag}={joined} must name directories of one kind, and only "
            f"{with_records[0]} holds TFRecords; make the others TFRecords by "
            "tools/make_records.py."
        )
    images = ImageFolders(paths)
    if flag == "label_data_dir" and not images.split_names():
        raise ValueError(
            f"{flag}={joined} must hold folders train/CLASS/*.jpg and "
            "test/CLASS/*.jpg, or TFRecords train-00000-of-00128 and so on; "
            "it has neither."
        )
    return images


def unlabeled_split(images: ImageSet) -> str | None:
    """Returns the split of a directory that is unlabelled by its name."""
    names = images.split_names()
    return next((name for name in UNLABELED_SPLITS if name in names), None)


def _default_test_split(images: ImageSet) -> str | None:
    """Returns the split of a directory to evaluate on, if no flag says it.

    Returns:
        None for folders without such a split.

    Raises:
        ValueError: TFRecords have none.
    """
    names = images.split_names()
    for name in ("test", "validation", "dev"):
        if name in names:
            return name
    if isinstance(images, ImageFolders):
        return None
    raise ValueError(
        f"{images.name} must have the split test, validation or dev, or set "
        f"test_split; it has {', '.join(names)}."
    )

"""Makes TFRecords of folders of images or of tensorflow-datasets."""

from absl import logging

from noisy_student import tasks
from noisy_student.config.paths import to_path
from noisy_student.config.tools import MakeSettings
from noisy_student.data import splits
from noisy_student.data.folders import UNLABELED_SPLITS, ImageFolders
from noisy_student.make_records import images
from noisy_student.make_records.shards import RecordSet

_KNOWN_SPLITS = {"train", "validation", "test", *UNLABELED_SPLITS}


class MakeRecords:
    """Makes record files of the splits of a directory or data set."""

    def __init__(self, settings: MakeSettings) -> None:
        self._settings = settings

    def validate(self) -> None:
        """Checks the settings and lists the images; writes nothing.

        Raises:
            ValueError: What is wrong, where, and what to do about it.
        """
        settings = self._settings
        if settings.task_name == "digits":
            raise ValueError(
                "task_name: digits come with scikit-learn and need no records."
            )
        chosen, names = (
            _named_splits(settings)
            if settings.input_dir is None
            else _folder_splits(settings)
        )
        number = {split.prefix: settings.num_shards for split in chosen}
        path = to_path(settings.output_dir)
        self._record_set = RecordSet(
            path,
            chosen,
            number,
            names,
            settings.num_workers,
            max_side=settings.max_side,
        )

    def run(self) -> None:
        """Makes the files that are missing.

        Raises:
            InputError: A file cannot be written.
        """
        self._record_set.make()


def _folder_splits(
    settings: MakeSettings,
) -> tuple[list[images.Split], tuple[str, ...] | None]:
    """Returns the splits of folders, and the classes if there are any."""
    root = str(settings.input_dir)
    if not to_path(root).is_dir():
        raise ValueError(f"input_dir: there is no directory {root}.")
    folders = ImageFolders([to_path(root)])
    names = folders.split_names()
    in_splits = _KNOWN_SPLITS & set(names)
    chosen = settings.splits or (names if in_splits else [splits.WHOLE])
    labeled = [
        name
        for split in chosen
        for name in images.labeled_names(split, folders)
    ]
    if labeled:
        folders.read_classes(["train"] if "train" in labeled else labeled)
        folders.check_classes(labeled)
    made = [
        images.folder_split(folders, root, split, settings.seed)
        for split in chosen
    ]
    return made, folders.class_names or None


def _named_splits(
    settings: MakeSettings,
) -> tuple[list[images.Split], tuple[str, ...] | None]:
    """Returns the splits of a data set, and the classes."""
    from noisy_student.data import tfds  # slow to import

    name = tasks.full_name(str(settings.task_name))
    named = tfds.NamedImages(name, settings.tfds_data_dir)
    if named.builder.info.disable_shuffling:
        logging.warning(
            "%s is not shuffled, and its order is kept: a file may have few "
            "of the classes.",
            name,
        )
    chosen = settings.splits or named.split_names()
    made = [images.named_split(named, split) for split in chosen]
    return made, named.class_names

"""Makes TFRecords of folders of images, or of a tensorflow-datasets name."""

import pathlib
from collections.abc import Callable

from absl import logging

from noisy_student import tasks
from noisy_student.config.tools import MakeSettings
from noisy_student.data import making, record_files, record_parts
from noisy_student.files import run_directory


def plan_records(settings: MakeSettings) -> Callable[[], None]:
    """Checks the settings and returns the work.

    Raises:
        ValueError: what is wrong, where, and what to do about it.
    """
    names: tuple[str, ...] | None
    if settings.task_name == "digits":
        raise ValueError(
            "task_name: digits come with scikit-learn and need no records."
        )
    if settings.input_dir is not None:
        parts, names = record_parts.of_folders(
            pathlib.Path(settings.input_dir), settings.splits, settings.seed
        )
    else:
        parts, names = record_parts.of_named(
            tasks.full_name(str(settings.task_name)),
            settings.tfds_data_dir,
            settings.splits,
        )
    directory = pathlib.Path(settings.output_dir)
    num_shards = {part.prefix: settings.num_shards for part in parts}
    return plan_parts(directory, parts, num_shards, names, settings.num_workers)


def plan_parts(
    directory: pathlib.Path,
    parts: list[record_parts.Part],
    num_shards: dict[str, int],
    names: tuple[str, ...] | None,
    num_workers: int,
) -> Callable[[], None]:
    """Plans the work for some splits.

    Args:
        directory: gets the files.
        parts: the splits.
        num_shards: files, by prefix.
        names: of the classes, if they are known.
        num_workers: processes.

    Raises:
        ValueError: the directory holds something else, or a split's name is
            none for files.
    """
    shards, remembered = [], {}
    for part in parts:
        record_files.check_prefix(part.prefix)
        shards += making.plan_shards(
            directory,
            part.prefix,
            part.images,
            part.numbers,
            num_shards[part.prefix],
        )
        remembered[f"images of {part.prefix}"] = part.fingerprint
        remembered[f"num_shards of {part.prefix}"] = str(
            num_shards[part.prefix]
        )
    state = making.State(directory, remembered)

    def work() -> None:
        state.save()
        run_directory.write_class_names(directory, names)
        description = f"make {directory.name}"
        made, unreadable = making.make(
            directory, shards, state, num_workers, description
        )
        print(f"{directory}: {made:,} images.")
        if unreadable:
            logging.warning(
                "%d images cannot be read and are left out; see %s.",
                unreadable,
                directory / making.UNREADABLE_FILE,
            )

    return work

"""What the original program's flags and data mean here.

docs/original.md compares all of its flags with ours.
"""

import os

from absl import flags as absl_flags
from absl import logging

from noisy_student import tasks
from noisy_student.config.paths import to_path
from noisy_student.files import remote
from noisy_student.files.run_directory import CLASSES_FILE

# Flags of the original that mean nothing here.
IGNORED_TEXTS = ("master", "data_format", "num_tpu_cores")
IGNORED_SWITCHES = ("skip_host_call", "transpose_input", "eval_imagenet_p")
IGNORED = (*IGNORED_TEXTS, *IGNORED_SWITCHES)

_RECORD_FILES = f"*-{'[0-9]' * 5}-of-{'[0-9]' * 5}"


def define_ignored(values: absl_flags.FlagValues) -> None:
    """Defines the flags that are accepted and do nothing.

    Args:
        values: gets the flags.
    """
    text = "A flag of the original program; it does nothing here."
    for name in IGNORED_TEXTS:
        absl_flags.DEFINE_string(name, None, text, flag_values=values)
    for name in IGNORED_SWITCHES:
        absl_flags.DEFINE_bool(name, None, text, flag_values=values)


def warn_of_ignored(values: absl_flags.FlagValues) -> None:
    """Names in one line the given flags that do nothing.

    Args:
        values: the parsed flags.
    """
    given = [name for name in IGNORED if values[name].present]
    if given:
        logging.warning("These flags do nothing here: %s.", ", ".join(given))


def task_of(task_name: str | None, label_data_dir: str | None) -> str | None:
    """The task whose defaults are the original program's.

    These are its two tasks under its own names, and TFRecords that do not say
    what they are, as its own do not.

    Args:
        task_name: as it was given, None if it was not.
        label_data_dir: directories, joined with `;`.

    Returns:
        imagenet or svhn; None where the defaults are ours.
    """
    names = (label_data_dir or "").split(";")
    paths = [to_path(name) for name in names if name]
    directories = [path for path in paths if path.is_dir()]
    if not all(remote.glob(path, _RECORD_FILES) for path in directories):
        return None  # folders of images
    if task_name is not None:
        return task_name if task_name in tasks.ORIGINAL_NAMES else None
    described = any((path / CLASSES_FILE).exists() for path in directories)
    if not directories or described:
        return None
    name = os.path.basename(os.path.abspath(directories[0]))
    if name in tasks.ORIGINAL_NAMES:
        return name
    return None if name in tasks.KNOWN else "imagenet"

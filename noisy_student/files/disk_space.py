"""Whether a disk has room for what is about to be written."""

import shutil

from etils import epath

from noisy_student.config.paths import is_remote
from noisy_student.errors import InputError


def check(directory: epath.Path, needed: int, what: str) -> None:
    """Refuses work whose files would not fit; remote paths are passed over.

    Args:
        directory: where the files will be; it need not be there yet.
        needed: bytes that will be written, estimated.
        what: the files, in the plural, for the message.

    Raises:
        InputError: less is free.
    """
    if is_remote(directory):
        return
    absolute = directory.absolute()
    ancestors = (absolute, *absolute.parents)
    existing = next(path for path in ancestors if path.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise InputError(
            f"{what} take about {_in_words(needed)}, and the disk of "
            f"{absolute} has {_in_words(free)} free. Make room or name another "
            "directory, and run the same command again."
        )


def _in_words(size: int) -> str:
    """A number of bytes, as MB or GB."""
    if size < 1e9:
        return f"{size / 1e6:,.1f} MB"
    return f"{size / 1e9:,.1f} GB"

"""Downloads a file whole or not at all."""

import hashlib
import http.client
import urllib.request
from collections.abc import Iterator

from etils import epath

from noisy_student import progress
from noisy_student.errors import InputError
from noisy_student.files import writing

_CHUNK = 2**20  # bytes
_TIMEOUT = 60.0  # seconds without an answer


def fetch(url: str, path: epath.Path, checksum: str = "") -> None:
    """Downloads a file to `path`, where it appears only when it is whole.

    Args:
        url: Its address.
        path: Where it is to be.
        checksum: What `checksum_of` must give; empty where it is not known.

    Raises:
        InputError: It cannot be downloaded, or not be written, or what comes
            is damaged.
    """
    with writing.replacing(path) as temporary:
        with open(temporary, "wb") as file:
            for chunk in _chunks(url, path):
                file.write(chunk)
        if not fits(temporary, checksum):
            raise InputError(
                f"What came from {url} is damaged: its {_split(checksum)[0]} "
                f"is not {_split(checksum)[1]}. Run the same command again, or "
                f"put the file at {path}."
            )


def fits(path: epath.Path, checksum: str) -> bool:
    """Whether a file has a checksum.

    Args:
        path: Of the file.
        checksum: Such as "md5:902e53...", hexadecimal; empty for any file.
    """
    if not checksum:
        return True
    name, digest = _split(checksum)
    with open(path, "rb") as file:
        return hashlib.file_digest(file, name).hexdigest() == digest


def _split(checksum: str) -> tuple[str, str]:
    name, _, digest = checksum.partition(":")
    return name, digest


def _chunks(url: str, path: epath.Path) -> Iterator[bytes]:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as response:
            size = int(response.headers.get("Content-Length", 0))
            total = -(-size // _CHUNK)
            received = 0
            with progress.bar(total, f"download {path.name}", "MiB") as bar:
                while chunk := response.read(_CHUNK):
                    yield chunk
                    received += len(chunk)
                    bar.update()
        if received < size:
            raise OSError(f"it ended after {received:,} of {size:,} bytes")
    except (OSError, http.client.HTTPException) as error:
        raise InputError(
            f"{url} cannot be downloaded: {getattr(error, 'reason', error)}. "
            f"Put the file at {path}, and run the same command again."
        ) from error

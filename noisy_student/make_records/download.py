"""Downloads a file whole or not at all."""

import http.client
import urllib.request
from collections.abc import Iterator

from etils import epath

from noisy_student import progress
from noisy_student.errors import InputError
from noisy_student.files import writing

_CHUNK = 2**20  # bytes
_TIMEOUT = 60.0  # seconds without an answer


def fetch(url: str, path: epath.Path) -> None:
    """Downloads a file to `path`, where it appears only when it is whole.

    Raises:
        InputError: It cannot be downloaded, or not be written.
    """
    with writing.replacing(path) as temporary, open(temporary, "wb") as file:
        for chunk in _chunks(url, path):
            file.write(chunk)


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

"""Makes whole sets of record files, in parallel, from where it stopped.

What is made is a list of shards, each with the images that go there.
`make_records.json` remembers settings and finished shards; a file counts as
finished only if it is listed there with its size. `make_records.py` and
`prepare_svhn.py` say which images and which shards.
"""

import concurrent.futures
import dataclasses
import io
import json
import multiprocessing
import os
import pathlib
import threading
from collections.abc import Iterator
from multiprocessing import connection
from typing import Any, NamedTuple, Protocol

import numpy as np
import tensorflow as tf
from PIL import Image

from noisy_student import progress
from noisy_student.data import image_files, record_files, records
from noisy_student.errors import InputError
from noisy_student.files import shards, stamps, writing

STATE_FILE = "make_records.json"
UNREADABLE_FILE = "unreadable.txt"


class RawImage(NamedTuple):
    """An image as it was found; a negative label is unknown.

    `error` says why there is nothing of it.
    """

    name: str
    encoded: bytes
    label: int
    error: str | None = None


class Images(Protocol):
    """A sequence of images that another process can read too."""

    def select(self, numbers: np.ndarray) -> "Images":
        """Those at some places, in this order, and nothing of the others."""

    def read(self) -> Iterator[RawImage]:
        """All of them."""


@dataclasses.dataclass(frozen=True)
class Shard:
    """A file to make.

    Attributes:
        path: of the file.
        images: those that go there.
        number: how many they are.
    """

    path: pathlib.Path
    images: Images
    number: int


class Finished(NamedTuple):
    """A shard that was made; `unreadable` has (name, reason) pairs."""

    records: int
    size: int
    unreadable: list[tuple[str, str]]


def plan_shards(
    directory: pathlib.Path,
    prefix: str,
    images: Images,
    numbers: np.ndarray,
    num_shards: int,
) -> list[Shard]:
    """Divides images into files, in order; never more files than images."""
    count = max(min(num_shards, len(numbers)), 1)
    names = [shards.shard_name(prefix, i, count) for i in range(count)]
    return [
        Shard(directory / name, images.select(part), len(part))
        for name, part in zip(
            names, np.array_split(numbers, count), strict=True
        )
    ]


class State:
    """What `make_records.json` says.

    Attributes:
        finished: by file name.
    """

    def __init__(self, directory: pathlib.Path, settings: dict[str, Any]):
        """Reads the file.

        Raises:
            ValueError: the directory holds something else.
        """
        self._directory, self._settings = directory, settings
        self.finished: dict[str, Finished] = {}
        path = directory / STATE_FILE
        if not path.exists():
            if directory.exists() and record_files.find(directory):
                raise ValueError(
                    f"output_dir {directory} holds TFRecords and no "
                    f"{STATE_FILE}; name a new directory."
                )
            return
        state = json.loads(path.read_text())
        stamps.check_same(
            state["settings"],
            settings,
            f"output_dir {directory} was made of something else: {{changes}}. "
            "Name another directory, or give the same flags and images to go "
            "on.",
        )
        for name, values in state["finished"].items():
            file = directory / name
            if file.exists() and file.stat().st_size == values[1]:
                self.finished[name] = Finished(*values)

    def save(self) -> None:
        """Writes the file."""
        finished = dict(sorted(self.finished.items()))
        state = {"settings": self._settings, "finished": finished}
        writing.write_json(self._directory / STATE_FILE, state)

    def write_lists(self) -> None:
        """Writes `counts.json`, and `unreadable.txt` if there is one."""
        counts = {n: [f.records, f.size] for n, f in self.finished.items()}
        writing.write_json(
            self._directory / record_files.COUNTS_FILE,
            dict(sorted(counts.items())),
        )
        lines = [
            f"{name}\t{reason}\n"
            for _, shard in sorted(self.finished.items())
            for name, reason in shard.unreadable
        ]
        if lines:
            path = self._directory / UNREADABLE_FILE
            writing.write_text(path, "".join(lines))


def make(
    directory: pathlib.Path,
    shards: list[Shard],
    state: State,
    num_workers: int,
    description: str,
) -> tuple[int, int]:
    """Makes the shards that are missing.

    Args:
        directory: of the shards.
        shards: all of them.
        state: which are finished.
        num_workers: processes; 1 works in this one.
        description: of the progress bar.

    Returns:
        How many records the directory has, and how many images could not be
        read; those are listed in `unreadable.txt`.

    Raises:
        InputError: a shard cannot be written.
    """
    missing = [s for s in shards if s.path.name not in state.finished]
    total = sum(shard.number for shard in shards)
    done = total - sum(shard.number for shard in missing)
    with progress.bar(total, description, "image", initial=done) as bar:
        for shard, finished in _make_all(missing, num_workers):
            state.finished[shard.path.name] = finished
            state.save()
            bar.update(shard.number)
    state.write_lists()
    made = [state.finished[shard.path.name] for shard in shards]
    return sum(s.records for s in made), sum(len(s.unreadable) for s in made)


def _make_all(
    shards: list[Shard], num_workers: int
) -> Iterator[tuple[Shard, Finished]]:
    """Makes shards, and yields each when it is whole."""
    if num_workers == 1 or len(shards) < 2:
        for shard in shards:
            yield shard, make_shard(shard)
        return
    with concurrent.futures.ProcessPoolExecutor(
        min(num_workers, len(shards)),
        multiprocessing.get_context("spawn"),
        _end_with_parent,
    ) as pool:
        futures = {pool.submit(make_shard, shard): shard for shard in shards}
        try:
            for future in concurrent.futures.as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _end_with_parent() -> None:
    """Ends a worker whose parent was killed, lest it writes on for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # this is a worker

    def wait() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def make_shard(shard: Shard) -> Finished:
    """Writes a file of records, and leaves out what cannot be decoded.

    Raises:
        InputError: it cannot be written.
    """
    number, unreadable = 0, []
    with shards.shard_writer(shard.path) as writer:
        for image in shard.images.read():
            if image.error is not None:
                unreadable.append((image.name, image.error))
                continue
            try:
                encoded = as_jpeg(image.encoded)
            except Exception as error:  # images are broken in many ways
                reason = " ".join(str(error).split())
                unreadable.append((image.name, reason))
                continue
            writer.write(records.encode_image(encoded, image.label, image.name))
            number += 1
    if record_files.scan(shard.path) != (number, None):
        raise InputError(f"{shard.path} is not what was written; try again.")
    return Finished(number, shard.path.stat().st_size, unreadable)


def as_jpeg(encoded: bytes) -> bytes:
    """A JPEG's bytes, turned upright; other images encoded as JPEG.

    Raises:
        Exception: PIL's, of an image that cannot be decoded to its end.
        ValueError: it is of another format.
    """
    with Image.open(io.BytesIO(encoded)) as image:
        image.load()
        found = image.format
    if encoded.startswith(image_files.JPEG_MAGIC):
        return image_files.upright(encoded)
    if found not in ("PNG", "BMP", "GIF"):
        raise ValueError(f"is {found}, not JPEG, PNG, BMP or GIF")
    from noisy_student import noise  # slow to import, and JPEGs need it not

    # As the pipelines see it: transparency, palettes and 16 bits alike.
    pixels = noise.decode(tf.constant(encoded)).numpy()
    return image_files.to_jpeg(Image.fromarray(pixels))

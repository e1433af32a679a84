"""Makes whole sets of record files, in parallel, from where it stopped.

`make_records.json` stores the settings and the finished shards. A file counts
as finished only if it is listed there with its size.
"""

import concurrent.futures
import dataclasses
import io
import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from absl import logging
from etils import epath
from PIL import Image, UnidentifiedImageError

from noisy_student import processes, progress
from noisy_student.config.paths import is_remote
from noisy_student.data import (
    image_files,
    photos,
    record_files,
    record_offsets,
    records,
)
from noisy_student.errors import InputError
from noisy_student.files import remote, run_directory, shards, stamps, writing
from noisy_student.make_records.images import Images, Split

STATE_FILE = "make_records.json"
UNREADABLE_FILE = "unreadable.txt"
# Formats beside JPEG, as Pillow names them, by who decodes them.
_BY_TENSORFLOW = ("PNG", "BMP", "GIF")
_BY_PILLOW = ("WEBP", "TIFF", "HEIF")

Encoder = Callable[[bytes, int, str], bytes]


@dataclasses.dataclass(frozen=True)
class Shard:
    """A file to make.

    Attributes:
        path: The path of the file.
        images: The images that become its records.
        number: How many images these are.
        encode: Makes a record of an image; see `records.encode_image`.
        max_side: Larger images are made smaller; see `as_jpeg`.
    """

    path: epath.Path
    images: Images
    number: int
    encode: Encoder = records.encode_image
    max_side: int | None = None


class Finished(NamedTuple):
    """A shard that was made; `unreadable` has (name, reason) pairs."""

    records: int
    size: int
    unreadable: list[tuple[str, str]]


class RecordSet:
    """The record files of some splits in one directory.

    Args:
        directory: The directory of the files.
        splits: The splits.
        num_shards: The number of files of each split by its prefix; fewer are
            made where there are fewer images.
        class_names: The names of the classes; None if unknown.
        num_workers: The number of processes; 1 works in this one.
        encode: Makes a record of an image.
        max_side: Larger images are made smaller; see `as_jpeg`.

    Raises:
        ValueError: The directory holds something else, or the prefixes of the
            splits are not valid or not different.
    """

    def __init__(
        self,
        directory: epath.Path,
        splits: list[Split],
        num_shards: Mapping[str, int],
        class_names: tuple[str, ...] | None,
        num_workers: int,
        encode: Encoder = records.encode_image,
        max_side: int | None = None,
    ) -> None:
        self._directory = directory
        self._class_names = class_names
        self._num_workers = num_workers
        self._shards: list[Shard] = []
        self._settings: dict[str, str] = {}
        for split in splits:
            prefix, number = split.prefix, num_shards[split.prefix]
            record_files.check_prefix(prefix)
            if f"images of {prefix}" in self._settings:
                raise ValueError(
                    f"splits must have different names; {prefix} is there "
                    "twice. Give one another name: validation=train[90%:]."
                )
            # Never more files than images.
            count = max(min(number, len(split.order)), 1)
            for i, places in enumerate(np.array_split(split.order, count)):
                path = directory / shards.shard_name(prefix, i, count)
                images = split.images.select(places)
                shard = Shard(path, images, len(places), encode, max_side)
                self._shards.append(shard)
            self._settings[f"images of {prefix}"] = split.fingerprint
            self._settings[f"num_shards of {prefix}"] = str(number)
        if max_side is not None:
            self._settings["max_side"] = str(max_side)
        self._finished = self._load()

    def _load(self) -> dict[str, Finished]:
        """Returns the finished shards by file name."""
        path = self._directory / STATE_FILE
        if not path.exists():
            if self._directory.exists() and record_files.find(self._directory):
                raise ValueError(
                    f"output_dir {self._directory} holds TFRecords and no "
                    f"{STATE_FILE}; name a new directory."
                )
            return {}
        state = writing.read_json(path)
        stamps.check_same(
            state["settings"],
            self._settings,
            f"output_dir {self._directory} was made of something else: "
            "{changes}. Name another directory, or give the same flags and "
            "images to go on.",
        )
        finished = {}
        for name, values in state["finished"].items():
            made, path = Finished(*values), self._directory / name
            if path.exists() and remote.size(path) == made.size:
                finished[name] = made
        return finished

    def _save(self) -> None:
        finished = dict(sorted(self._finished.items()))
        state = {"settings": self._settings, "finished": finished}
        writing.write_json(self._directory / STATE_FILE, state)

    def make(self) -> None:
        """Makes the shards that are missing.

        Images that cannot be read are listed in `unreadable.txt`.

        Raises:
            InputError: A file cannot be written.
        """
        self._save()
        run_directory.write_class_names(self._directory, self._class_names)
        missing = [s for s in self._shards if s.path.name not in self._finished]
        total = sum(shard.number for shard in self._shards)
        done = total - sum(shard.number for shard in missing)
        description = f"make {self._directory.name}"
        with progress.bar(total, description, "image", initial=done) as bar:
            for shard, finished in _make_all(missing, self._num_workers):
                self._finished[shard.path.name] = finished
                self._save()
                bar.update(shard.number)
        self._write_lists()

    def _write_lists(self) -> None:
        """Writes `counts.json` and, if needed, `unreadable.txt`."""
        made = sorted(self._finished.items())
        writing.write_json(
            self._directory / record_files.COUNTS_FILE,
            {name: [shard.records, shard.size] for name, shard in made},
        )
        number = sum(shard.records for _, shard in made)
        print(f"{self._directory}: {number:,} images.")
        lines = [
            f"{name}\t{reason}\n"
            for _, shard in made
            for name, reason in shard.unreadable
        ]
        if lines:
            path = self._directory / UNREADABLE_FILE
            writing.write_text(path, "".join(lines))
            logging.warning(
                "%d images cannot be read and are left out; see %s.",
                len(lines),
                path,
            )


def _make_all(
    missing: list[Shard], num_workers: int
) -> Iterator[tuple[Shard, Finished]]:
    """Makes shards, and yields each when it is whole."""
    if num_workers == 1 or len(missing) < 2:
        for shard in missing:
            yield shard, make_shard(shard)
        return
    with concurrent.futures.ProcessPoolExecutor(
        min(num_workers, len(missing)),
        multiprocessing.get_context("spawn"),
        processes.start_with_tensorflow,
    ) as pool:
        futures = {pool.submit(make_shard, shard): shard for shard in missing}
        try:
            for future in concurrent.futures.as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def make_shard(shard: Shard) -> Finished:
    """Writes a file of records; leaves out images that cannot be decoded.

    Raises:
        InputError: The file cannot be written.
    """
    number, unreadable = 0, []
    with shards.shard_writer(shard.path) as writer:
        for image in shard.images.read():
            if image.error is not None:
                unreadable.append((image.name, image.error))
                continue
            try:
                encoded = as_jpeg(image.encoded, shard.max_side)
            except Exception as error:  # images are broken in many ways
                reason = " ".join(str(error).split())
                unreadable.append((image.name, reason))
                continue
            writer.write(shard.encode(encoded, image.label, image.name))
            number += 1
    size, bounds = remote.size(shard.path), record_offsets.find(shard.path)
    if len(bounds) != number + 1 or bounds[-1] != size:
        raise InputError(f"{shard.path} is not what was written; try again.")
    if is_remote(shard.path):  # to find them again would read all of it
        record_offsets.keep(shard.path, bounds)
    return Finished(number, size, unreadable)


def as_jpeg(encoded: bytes, max_side: int | None = None) -> bytes:
    """Returns a JPEG's bytes turned upright, or other images as a JPEG.

    Args:
        encoded: The content of a file.
        max_side: The longer side of larger images is made so many pixels.

    Raises:
        ValueError: It is no image, too large, or of another format.
        Exception: PIL's, of an image that cannot be decoded to its end.
    """
    try:
        with Image.open(io.BytesIO(encoded)) as image:
            image.load()
            found = image.format
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"has more than {image_files.MAX_PIXELS:,} pixels"
        ) from error
    except UnidentifiedImageError as error:
        raise ValueError("is no image") from error
    if found in _BY_PILLOW:
        encoded = photos.readable(encoded)
    if max_side is not None:
        encoded = photos.smaller(encoded, max_side, max)
    encoded = image_files.upright(encoded)
    if encoded.startswith(image_files.JPEG_MAGIC):
        return encoded
    if found not in _BY_TENSORFLOW:
        formats = ", ".join((*_BY_TENSORFLOW, *_BY_PILLOW))
        raise ValueError(f"is {found}, and none of JPEG, {formats}")
    from noisy_student import noise  # slow to import, and JPEGs need it not

    # As the pipelines see it: transparency, palettes and 16 bits alike.
    pixels = noise.decode(tf.constant(encoded)).numpy()
    return image_files.to_jpeg(Image.fromarray(pixels))

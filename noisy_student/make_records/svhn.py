"""Makes the records of SVHN, from its own files, as the original program does.

`train_32x32.mat` becomes `train-*` and `dev-*`, `test_32x32.mat` `test-*`, and
`extra_32x32.mat` the unlabelled `unlabeled/extra-*`. With seed 0 the order and
the images that are held out as dev are the original's.
"""

import functools
import hashlib
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy.io
from etils import epath
from PIL import Image
from scipy.io.matlab import MatReadError

from noisy_student.config.checks import require
from noisy_student.config.paths import to_path
from noisy_student.config.tools import SvhnSettings
from noisy_student.data import image_files, records
from noisy_student.errors import InputError
from noisy_student.files import download, remote
from noisy_student.make_records.images import RawImage, Split
from noisy_student.make_records.shards import RecordSet

URL = "http://ufldl.stanford.edu/housenumbers/"
DOWNLOAD_DIR = "downloaded_data"
UNLABELED_DIR = "unlabeled"
CLASS_NAMES = tuple(map(str, range(10)))
_SHAPE = (32, 32, 3)  # of an image
# What scipy raises of files that are damaged or something else.
_DAMAGE = (OSError, ValueError, TypeError, zlib.error, MatReadError)


class PrepareSvhn:
    """Makes SVHN's record files, and downloads what it needs for that."""

    def __init__(self, settings: SvhnSettings) -> None:
        self._settings = settings

    def validate(self) -> None:
        """Downloads what is missing, and divides the images.

        Raises:
            ValueError: A file cannot be had or holds something else, or
                a directory does.
        """
        settings = self._settings
        directory = to_path(settings.raw_data_dir) / DOWNLOAD_DIR
        files = {}
        for name in ("train", "test", "extra"):
            path = directory / f"{name}_32x32.mat"
            if not path.exists():
                download.fetch(URL + path.name, path)
            files[name] = MatFile(path)
        labeled, extra = _divide(files, settings)
        output = to_path(settings.output_dir)
        make = functools.partial(
            RecordSet, class_names=CLASS_NAMES, num_workers=settings.num_workers
        )
        few = max(settings.num_shards // 2, 1)
        self._record_sets = [
            make(
                output,
                labeled,
                {"train": settings.num_shards, "dev": few, "test": few},
            ),
            make(
                output / UNLABELED_DIR,
                [extra],
                {"extra": settings.num_shards},
                encode=functools.partial(
                    records.encode_unpredicted, num_classes=len(CLASS_NAMES)
                ),
            ),
        ]

    def run(self) -> None:
        """Makes the files that are missing.

        Raises:
            InputError: A file cannot be written, or the images not be read.
        """
        for record_set in self._record_sets:
            record_set.make()


class MatFile:
    """One of SVHN's files, of which only the labels are read at first.

    Attributes:
        path: The file.
        labels: int64 (images,), the digits.

    Args:
        path: The file.

    Raises:
        InputError: It is none of SVHN's.
    """

    def __init__(self, path: epath.Path) -> None:
        self.path = path
        shapes = {
            name: shape for name, shape, _ in self._call(scipy.io.whosmat)
        }
        *shape, count = shapes.get("X", (0,))
        if tuple(shape) != _SHAPE or shapes.get("y") != (count, 1) or not count:
            raise self._error(
                f"holds {shapes}, and not X, (32, 32, 3, images), and y, "
                "(images, 1)"
            )
        digits = self._read("y").reshape(-1).astype(np.int64)
        if not ((digits >= 0) & (digits <= 10)).all():
            raise self._error("has labels outside of [0, 10]")
        self.labels = digits % 10  # 10 is the digit 0

    @functools.cached_property
    def _pixels(self) -> np.ndarray:
        """uint8 (images, channel, column, row), as the file has them.

        `extra_32x32.mat` takes 1.6 GB here, and is read on first use.
        """
        pixels = self._read("X").T
        if pixels.dtype != np.uint8:
            raise self._error(f"has pixels of type {pixels.dtype}, not uint8")
        return pixels

    def pixels(self, places: np.ndarray) -> np.ndarray:
        """Returns images, uint8 (places, 32, 32, 3), as a copy.

        Args:
            places: int (places,), which images.

        Raises:
            InputError: The file is damaged.
        """
        return self._pixels[places].swapaxes(1, 3)

    def _read(self, name: str) -> np.ndarray:
        return self._call(scipy.io.loadmat, variable_names=[name])[name]

    def _call(self, function: Callable, **options: Any) -> Any:
        try:
            with remote.open_binary(self.path) as file:
                return function(file, **options)
        except _DAMAGE as error:
            raise self._error(f"is damaged ({error})") from error

    def _error(self, what: str) -> InputError:
        return InputError(
            f"{self.path} {what}; remove it, and the same command downloads it."
        )


class MatImages:
    """Images of a file. Other processes get the pixels of these alone."""

    def __init__(self, file: MatFile, places: np.ndarray) -> None:
        self._file = file
        self._places = places

    def select(self, places: np.ndarray) -> "MatImages":
        """See `Images`."""
        return MatImages(self._file, self._places[places])

    def read(self) -> Iterator[RawImage]:
        """See `Images`; the name is `FILE/PLACE`."""
        return self._loaded().read()

    def _loaded(self) -> "_LoadedImages":
        file, places = self._file, self._places
        names = [f"{file.path.name}/{place:06d}" for place in places]
        return _LoadedImages(names, file.pixels(places), file.labels[places])

    def __reduce__(self) -> tuple:
        return _LoadedImages, tuple(self._loaded())


class _LoadedImages(NamedTuple):
    """Names, uint8 (images, 32, 32, 3), and labels, int (images,)."""

    names: list[str]
    pixels: np.ndarray
    labels: np.ndarray

    def read(self) -> Iterator[RawImage]:
        for name, pixels, label in zip(*self, strict=True):
            encoded = image_files.to_jpeg(Image.fromarray(pixels))
            yield RawImage(name, encoded, int(label))


def _divide(
    files: dict[str, MatFile], settings: SvhnSettings
) -> tuple[list[Split], Split]:
    """Returns train, dev and test, and the unlabelled images."""
    sizes = {name: len(file.labels) for name, file in files.items()}
    held_out = 0 if settings.full_train_data else settings.num_dev_images
    require(
        held_out < sizes["train"],
        "num_dev_images",
        f"below the {sizes['train']} training images",
        held_out,
    )
    # The original's generator, and what it draws from it.
    generator = np.random.RandomState(settings.seed)
    order = generator.permutation(sizes["train"])
    train = _split("train", files["train"], order[held_out:])
    test_order = np.arange(sizes["test"])
    dev = (
        _split("dev", files["train"], order[:held_out])
        if held_out
        else _split("dev", files["test"], test_order)
    )
    test = _split("test", files["test"], test_order)
    extra_order = generator.permutation(sizes["extra"])
    return [train, dev, test], _split("extra", files["extra"], extra_order)


def _split(prefix: str, file: MatFile, places: np.ndarray) -> Split:
    digest = hashlib.sha256(places.astype(np.int64).tobytes())
    digest.update(file.labels[places].tobytes())
    fingerprint = (
        f"{len(places)} of {file.path.name}, {digest.hexdigest()[:16]}"
    )
    images = MatImages(file, np.arange(len(file.labels)))
    return Split(prefix, images, places, fingerprint)

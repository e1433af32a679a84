"""Reads files of PyTorch's tensors without PyTorch: .safetensors and .pth.

A `.pth` file is a pickle, and a pickle can ask for any function of Python to be
called. Here it may ask for tensors and ordered dictionaries; anything else is
refused, and nothing of it is run.
"""

import collections
import dataclasses
import math
import pickle
import struct
import zipfile
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
import tensorflow as tf
from etils import epath

from noisy_student.files import remote
from noisy_student.models import saved

SAFETENSORS, PICKLED = ".safetensors", ".pth"
SUFFIXES = (SAFETENSORS, PICKLED)

# How a file of torch.save begins that is no zip archive (before version 1.6).
_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_STATE = "state_dict"  # where training scripts put the weights

_DTYPES: dict[str, Any] = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": tf.bfloat16.as_numpy_dtype,
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}

Tensors = dict[str, np.ndarray]


def check_suffix(path: epath.Path) -> None:
    """Refuses files that by their names are of another kind.

    Raises:
        ValueError: the name ends neither in .safetensors nor in .pth.
    """
    if path.suffix not in SUFFIXES:
        raise ValueError(
            f"A file of weights must end in {' or '.join(SUFFIXES)}; got "
            f"{path}."
        )


def read(path: epath.Path) -> Tensors:
    """Reads all tensors of a file.

    Args:
        path: a `.safetensors` file, or a `.pth` file of `torch.save` with a
            state_dict.

    Returns:
        Arrays by name, of the shapes and types in the file.

    Raises:
        InputError: the file is damaged, or holds something else than tensors.
    """
    with (
        saved.damage_named(
            f"{path} cannot be read:", pickle.UnpicklingError, MemoryError
        ),
        remote.local_copy(path) as local,
    ):
        if path.suffix == SAFETENSORS:
            return _read_safetensors(local)
        found, storages = _unpickled(local)
        return _arrays(_state_of(found), storages)


def _read_safetensors(path: epath.Path) -> Tensors:
    import safetensors.numpy

    try:
        return safetensors.numpy.load_file(path)
    except safetensors.SafetensorError as error:
        raise ValueError(str(error)) from error


@dataclasses.dataclass(frozen=True)
class _Storage:
    """A row of numbers, `count` of them, that tensors are views of."""

    key: str
    dtype_name: str
    count: int


@dataclasses.dataclass(frozen=True)
class _Tensor:
    """A view of a storage; offset and strides are in numbers, not bytes."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _rebuilt(
    storage: _Storage, offset: int, shape: tuple, strides: tuple, *_: Any
) -> _Tensor:
    """What is called in the place of torch._utils._rebuild_tensor_v2."""
    return _Tensor(storage, offset, shape, strides)


def _parameter(data: _Tensor, *_: Any) -> _Tensor:
    """What is called in the place of torch._utils._rebuild_parameter."""
    return data


# All that a pickle may ask for. Names of storages stand for their types.
_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuilt,
    ("torch._utils", "_rebuild_parameter"): _parameter,
} | {("torch", name): name for name in _DTYPES}


class _Unpickler(pickle.Unpickler):
    """Makes tensors alone, whose numbers are read afterwards."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise ValueError(
                f"it asks for {module}.{name}, and not for tensors alone; "
                "nothing of it was run. Save model.state_dict(), or "
                "safetensors."
            )
        return _ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype_name, key, _, count, *_ = pid
        if kind != "storage" or dtype_name not in _DTYPES:
            raise ValueError(f"it holds a {kind!r} that is no tensor.")
        storage = _Storage(str(key), dtype_name, int(count))
        self.storages[storage.key] = storage
        return storage


def _unpickled(path: epath.Path) -> tuple[Any, dict[str, bytes]]:
    """What a file of torch.save holds, and the bytes of its storages."""
    if zipfile.is_zipfile(path):
        return _from_zip(path)
    with open(path, "rb") as file:
        return _from_legacy(file)


def _from_zip(path: epath.Path) -> tuple[Any, dict[str, bytes]]:
    """The form since PyTorch 1.6: NAME/data.pkl and NAME/data/KEY."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        [pickled] = [n for n in names if n.endswith("/data.pkl")] or [""]
        if not pickled:
            raise ValueError("it is a zip archive without data.pkl.")
        root = pickled.removesuffix("data.pkl")
        order = f"{root}byteorder"
        _check_order(order not in names or archive.read(order) == b"little")
        with archive.open(pickled) as file:
            unpickler = _Unpickler(file)
            found = unpickler.load()
        return found, {
            key: archive.read(f"{root}data/{key}") for key in unpickler.storages
        }


def _from_legacy(file: IO[bytes]) -> tuple[Any, dict[str, bytes]]:
    """The form before it: pickles one after the other, then the storages."""
    for number in (_MAGIC, _PROTOCOL):
        if _Unpickler(file).load() != number:
            raise ValueError("it is no file of torch.save that is known here.")
    _check_order(_Unpickler(file).load()["little_endian"])
    unpickler = _Unpickler(file)
    found = unpickler.load()
    storages = {}
    for key in _Unpickler(file).load():
        [count] = struct.unpack("<q", file.read(8))
        size = np.dtype(_DTYPES[unpickler.storages[key].dtype_name]).itemsize
        storages[key] = file.read(count * size)
    return found, storages


def _check_order(is_little: bool) -> None:
    if not is_little:
        raise ValueError("its numbers are big-endian, which is not supported.")


def _state_of(found: Any) -> Mapping[str, _Tensor]:
    """The tensors by name, which may be the `state_dict` of a checkpoint."""
    if isinstance(found, dict) and isinstance(found.get(_STATE), dict):
        found = found[_STATE]
    if not isinstance(found, dict) or not found:
        raise ValueError("it holds no tensors by name (a state_dict).")
    for name, tensor in found.items():
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise ValueError(f"its entry {name!r} is no tensor.")
    return found


def _arrays(
    tensors: Mapping[str, _Tensor], storages: Mapping[str, bytes]
) -> Tensors:
    return {
        name: _array(tensor, storages[tensor.storage.key])
        for name, tensor in tensors.items()
    }


def _array(tensor: _Tensor, storage: bytes) -> np.ndarray:
    """A copy of what a tensor is a view of, which must lie in the storage."""
    numbers = np.frombuffer(storage, _DTYPES[tensor.storage.dtype_name])
    if len(numbers) != tensor.storage.count:
        raise ValueError(
            f"a tensor has {len(numbers)} of {tensor.storage.count} numbers; "
            "is the file whole?"
        )
    if not _is_inside(tensor, len(numbers)):
        raise ValueError("a tensor lies outside of its numbers.")
    view = np.lib.stride_tricks.as_strided(
        numbers[tensor.offset :],
        tensor.shape,
        [stride * numbers.itemsize for stride in tensor.strides],
        writeable=False,
    )
    return np.array(view)


def _is_inside(tensor: _Tensor, count: int) -> bool:
    """Whether a view has no more than `count` numbers, and these alone."""
    shape, strides = tensor.shape, tensor.strides
    if min((tensor.offset, *shape, *strides)) < 0 or math.prod(shape) > count:
        return False
    steps = zip(shape, strides, strict=True)
    last = tensor.offset + sum((size - 1) * step for size, step in steps)
    return 0 in shape or last < count

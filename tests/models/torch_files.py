"""Writes files as torch.save does, without PyTorch."""

import collections
import io
import pickle
import struct
import sys
import types
import zipfile
from unittest import mock

import numpy as np

STORAGES = {
    "float64": "DoubleStorage",
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
}


class View:
    """A tensor: a view of a flat array, its storage."""

    def __init__(self, storage, offset, shape, strides):
        self.storage, self.offset = storage, offset
        self.shape, self.strides = shape, strides


def whole(array):
    """The view that is all of an array."""
    array = np.ascontiguousarray(array)
    strides = tuple(stride // array.itemsize for stride in array.strides)
    return View(array.reshape(-1), 0, array.shape, strides)


def _torch_modules():
    """What pickles of PyTorch refer to, by its modules' names."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in STORAGES.values():
        kind = type(name, (), {"__module__": "torch", "__qualname__": name})
        setattr(torch, name, kind)

    def rebuild(*_):
        raise AssertionError("only PyTorch calls this")

    rebuild.__module__ = "torch._utils"
    rebuild.__qualname__ = rebuild.__name__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = rebuild
    torch._utils = utils
    return {"torch": torch, "torch._utils": utils}


class _Pickler(pickle.Pickler):
    def __init__(self, file, modules, legacy):
        super().__init__(file, protocol=2)
        self.modules, self.legacy = modules, legacy
        self.keys = {}  # of storages, which are kept alive with them

    def reducer_override(self, item):
        if not isinstance(item, View):
            return NotImplemented
        rebuild = self.modules["torch._utils"]._rebuild_tensor_v2
        storage = _Stored(item.storage)
        hooks = collections.OrderedDict()
        rest = (item.offset, item.shape, item.strides, False, hooks)
        return rebuild, (storage, *rest)

    def persistent_id(self, item):
        if not isinstance(item, _Stored):
            return None
        array = item.array
        key, _ = self.keys.setdefault(id(array), (str(len(self.keys)), array))
        kind = getattr(self.modules["torch"], STORAGES[array.dtype.name])
        pid = ("storage", kind, key, "cpu", array.size)
        return (*pid, None) if self.legacy else pid


class _Stored:
    def __init__(self, array):
        self.array = array


def save(item, path, legacy=False):
    """Writes what a state_dict may be: dictionaries of arrays or `View`s."""
    modules = _torch_modules()
    buffer = io.BytesIO()
    with mock.patch.dict(sys.modules, modules):
        pickler = _Pickler(buffer, modules, legacy)
        pickler.dump(_views(item))
    storages = {key: array for key, array in pickler.keys.values()}
    if legacy:
        _write_legacy(path, buffer.getvalue(), storages)
        return
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", buffer.getvalue())
        archive.writestr("archive/byteorder", "little")
        for key, array in storages.items():
            archive.writestr(f"archive/data/{key}", array.tobytes())
        archive.writestr("archive/version", "3\n")


def _views(item):
    if isinstance(item, np.ndarray):
        return whole(item)
    if isinstance(item, dict):
        return type(item)((name, _views(each)) for name, each in item.items())
    return item


def _write_legacy(path, pickled, storages):
    system = {
        "protocol_version": 1001,
        "little_endian": True,
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    with open(path, "wb") as file:
        for head in (0x1950A86A20F9469CFC6C, 1001, system):
            pickle.dump(head, file, protocol=2)
        file.write(pickled)
        pickle.dump(sorted(storages), file, protocol=2)
        for key in sorted(storages):
            file.write(struct.pack("<q", storages[key].size))
            file.write(storages[key].tobytes())

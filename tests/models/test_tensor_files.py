"""Files of PyTorch, read without it."""

import collections
import gzip
import os
import pickle
import re

import ml_dtypes
import numpy as np
import pytest

from noisy_student.errors import InputError
from noisy_student.models.importers import tensor_files
from tests.models import torch_files

FORMS = pytest.mark.parametrize("legacy", [False, True])


def error_of(path):
    """The one line with which a file is refused."""
    with pytest.raises(InputError) as error:
        tensor_files.read(path)
    message = str(error.value)
    assert message.startswith(f"{path} cannot be read: ")
    assert "\n" not in message
    return message


def test_a_file_that_pytorch_wrote_is_read(fixtures, tmp_path):
    """Of PyPI's Lite0, each number replaced by the place of its tensor."""
    path = tmp_path / "lite0.pth"
    zipped = (fixtures / "lite/places_lite0.pth.gz").read_bytes()
    path.write_bytes(gzip.decompress(zipped))
    tensors = tensor_files.read(path)
    listing = (fixtures / "lite/names_lite0.txt").read_text().splitlines()
    assert [
        f"{name} {tuple(array.shape)}" for name, array in tensors.items()
    ] == listing
    for place, (name, array) in enumerate(tensors.items()):
        counts = name.endswith("num_batches_tracked")
        assert array.dtype == (np.int64 if counts else np.float32)
        assert (array == place).all()


@FORMS
def test_types_views_and_shared_storages(legacy, tmp_path):
    generator = np.random.default_rng(0)
    numbers = generator.normal(size=24).astype(np.float32)
    state = {
        "double": generator.normal(size=(2, 3)),
        "half": np.arange(4, dtype=np.float16),
        "brain": np.arange(3).astype(ml_dtypes.bfloat16),
        "count": np.array(7),
        "flag": np.array([True, False]),
        "first": torch_files.View(numbers, 0, (2, 3), (3, 1)),
        # Channels last: the same numbers by other strides.
        "last": torch_files.View(numbers, 12, (2, 3, 2), (6, 1, 3)),
        "none": np.zeros((0, 5), np.float32),
    }
    path = tmp_path / "weights.pth"
    torch_files.save(collections.OrderedDict(state), path, legacy)
    found = tensor_files.read(path)
    assert list(found) == list(state)
    state["first"] = numbers[:6].reshape(2, 3)
    state["last"] = numbers[12:].reshape(2, 2, 3).transpose(0, 2, 1)
    for name, array in state.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


@FORMS
def test_the_weights_of_a_whole_checkpoint_are_taken(legacy, tmp_path):
    path = tmp_path / "checkpoint.pth"
    state = {"epoch": 3, "state_dict": {"weight": np.ones(2, np.float32)}}
    torch_files.save(state, path, legacy)
    assert list(tensor_files.read(path)) == ["weight"]


class Command:
    """Makes a directory when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_code_in_a_file_is_named_and_not_run(form, tmp_path):
    path, victim = tmp_path / "weights.pth", tmp_path / "run"
    state = {"weight": np.ones(2, np.float32), "more": Command(victim)}
    if form == "pickle":
        path.write_bytes(pickle.dumps(state["more"]))
    else:
        torch_files.save(state, path, legacy=form == "legacy")
    assert re.search(r"asks for posix\.mkdir, .* was run", error_of(path))
    assert not victim.exists()
    pickle.loads(pickle.dumps(Command(victim)))
    assert victim.exists()  # it would have


@FORMS
@pytest.mark.parametrize(
    ("state", "message"),
    [
        ([1, 2], "holds no tensors by name"),
        ({}, "holds no tensors by name"),
        ({"weight": 3}, "its entry 'weight' is no tensor"),
        ({1: np.ones(2)}, "its entry 1 is no tensor"),
        (
            {"w": torch_files.View(np.ones(6), 4, (3,), (1,))},
            "outside of its numbers",
        ),
        (
            {"w": torch_files.View(np.ones(6), -1, (3,), (1,))},
            "outside of its numbers",
        ),
        (
            {"w": torch_files.View(np.ones(6), 5, (3,), (-1,))},
            "outside of its numbers",
        ),
        (
            {"w": torch_files.View(np.ones(6), 0, (10**9,), (0,))},
            "outside of its numbers",
        ),
    ],
)
def test_other_contents_are_refused(state, message, legacy, tmp_path):
    path = tmp_path / "weights.pth"
    torch_files.save(state, path, legacy)
    assert message in error_of(path)


@FORMS
def test_damaged_files_are_refused(legacy, tmp_path):
    path = tmp_path / "weights.pth"
    torch_files.save({"weight": np.ones(1000, np.float32)}, path, legacy)
    content = path.read_bytes()
    for size in (0, 1, 30, 200, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        error_of(path)
    path.write_bytes(b"<html>404</html>")
    error_of(path)


def test_safetensors_are_read(fixtures, tmp_path):
    given = fixtures / "timm_b0_small/model.safetensors"
    tensors = tensor_files.read(given)
    assert tensors["conv_stem.weight"].shape == (8, 3, 3, 3)
    path = tmp_path / "cut.safetensors"
    for size in (4, 1000, 100_000):
        path.write_bytes(given.read_bytes()[:size])
        error_of(path)

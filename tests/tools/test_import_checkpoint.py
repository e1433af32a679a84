"""Runs the script as a user would."""

import keras
import numpy as np
import pytest

import noisy_student
from noisy_student.models.importers import tensor_files
from tests.models import torch_files
from tests.scripts import error_of, python

SVHN = (
    "--model_name=efficientnet-b0",
    "--task_name=svhn_cropped",
    "--width_coefficient=0.25",
    "--depth_coefficient=0.34",
)


def run(checkpoint, output, *arguments):
    return python(
        "tools/import_checkpoint.py",
        f"--checkpoint={checkpoint}",
        f"--output={output}",
        *arguments,
    )


@pytest.mark.parametrize(
    ("flag", "truth"), [("--noraw", "logits_ema"), ("--raw", "logits_raw")]
)
def test_an_original_checkpoint_gives_the_originals_logits(
    flag, truth, fixtures, tmp_path
):
    output = tmp_path / "model.keras"
    done = run(fixtures / "svhn_small/model.ckpt", output, *SVHN, flag)
    assert done.returncode == 0, done.stderr
    assert "model.keras: efficientnet-b0, 209,1" in done.stdout
    model = noisy_student.load_model(output)
    images = np.load(fixtures / "svhn_small/images.npy")
    expected = np.load(fixtures / f"svhn_small/{truth}.npy")
    np.testing.assert_allclose(model(images), expected, atol=1e-4)


def test_a_checkpoint_of_another_model_writes_nothing(fixtures, tmp_path):
    output = tmp_path / "model.keras"
    arguments = ("--task_name=svhn_cropped", "--model_name=efficientnet-b1")
    done = run(fixtures / "svhn_small/model.ckpt", output, *arguments)
    assert done.returncode == 2
    assert "does not fit efficientnet_b1" in done.stderr
    assert "of another shape: stem/conv2d/kernel" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_another_number_of_classes(fixtures, tmp_path):
    output = tmp_path / "model.keras"
    arguments = (*SVHN, "--num_label_classes=3", "--allow_new_head")
    done = run(fixtures / "svhn_small/model.ckpt", output, *arguments)
    assert done.returncode == 0, done.stderr
    assert "fresh" in done.stderr
    assert noisy_student.load_model(output).output_shape == (None, 3)


@pytest.mark.slow
def test_a_model_of_keras_gives_its_logits(tmp_path):
    keras.utils.set_random_seed(0)
    source = keras.applications.EfficientNetB0(
        weights=None,
        classes=5,
        input_shape=(64, 64, 3),
        classifier_activation=None,
    )
    source.save_weights(tmp_path / "b0.weights.h5")
    output = tmp_path / "model.keras"
    done = run(
        tmp_path / "b0.weights.h5",
        output,
        "--from=keras",
        "--num_label_classes=5",
        "--input_image_size=64",
    )
    assert done.returncode == 0, done.stderr
    images = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3))
    np.testing.assert_allclose(
        noisy_student.load_model(output)(images), source(images), atol=1e-4
    )


TIMM = (
    "--from=timm",
    "--width_coefficient=0.25",
    "--depth_coefficient=0.34",
    "--input_image_size=64",
    "--num_label_classes=10",
)


def test_a_model_of_timm_gives_its_logits(fixtures, tmp_path):
    given = fixtures / "timm_b0_small"
    output = tmp_path / "model.keras"
    done = run(given / "model.safetensors", output, *TIMM)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(
        noisy_student.load_model(output)(np.load(given / "images.npy")),
        np.load(given / "logits.npy"),
        atol=1e-4,
    )


def test_a_pth_file_gives_the_same_model(fixtures, tmp_path):
    """Of another model it is refused, and of the right one it is taken."""
    given = fixtures / "timm_b0_small"
    path, output = tmp_path / "model.pth", tmp_path / "model.keras"
    torch_files.save(tensor_files.read(given / "model.safetensors"), path)
    done = run(path, output, *TIMM, "--model_name=efficientnet-lite0")
    assert done.returncode == 2 and not output.exists()
    assert "left over: blocks_0/se/conv2d/bias" in done.stderr
    done = run(path, output, *TIMM)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(
        noisy_student.load_model(output)(np.load(given / "images.npy")),
        np.load(given / "logits.npy"),
        atol=1e-4,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output=x.keras"], "checkpoint and output must be set"),
        (["--checkpoint=c", "--output=x.h5"], "must end in .keras"),
        (["--checkpoint=c", "--output=no/x.keras"], "no is no directory"),
        (["--checkpoint=c", "--output=x.keras"], "c.index is missing"),
        (
            ["--checkpoint=c", "--output=x.keras", "--from=keras"],
            "There is no file c",
        ),
        (
            ["--checkpoint=README.md", "--output=x.keras", "--from=timm"],
            "must end in .safetensors or .pth; got README.md",
        ),
        (
            ["--checkpoint=c.pth", "--output=x.keras", "--from=timm"],
            "There is no file c.pth",
        ),
        (
            ["--checkpoint=c", "--output=x.keras", "--from=timm", "--raw"],
            "raw is for the original's checkpoints only",
        ),
        (
            ["--checkpoint=c", "--output=x.keras", "--model_name=b0"],
            "Unknown model_name 'b0'; known are efficientnet-b0",
        ),
        (
            ["--checkpoint=c", "--output=x.keras", "--task_name=flowers"],
            "num_label_classes must be set",
        ),
    ],
)
def test_bad_input_is_one_line(arguments, message):
    process = python("tools/import_checkpoint.py", *arguments)
    assert message in error_of(process)


def test_an_existing_file_is_kept(tmp_path, fixtures):
    output = tmp_path / "model.keras"
    output.write_text("precious")
    done = run(fixtures / "svhn_small/model.ckpt", output, *SVHN)
    assert done.returncode == 2 and "exists already" in done.stderr
    assert output.read_text() == "precious"

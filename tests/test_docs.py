"""What docs tell readers to write is run here, word for word."""

import json
import re

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax, softmax

from noisy_student import methods
from tests.methods import made
from tests.scripts import ROOT, TINY, output_of, run

TEXT = (ROOT / "docs/methods.md").read_text()
TRAIN = [flag for flag in TINY if "mode=" not in flag] + ["--mode=train"]


@pytest.fixture(scope="module")
def fixmatch(tmp_path_factory):
    """A directory with the file of the text."""
    [code] = re.findall(r"```python\n(# fixmatch.py\n.*?)```", TEXT, re.DOTALL)
    assert len(code.strip().split("\n")) <= 45
    directory = tmp_path_factory.mktemp("plugin")
    (directory / "fixmatch.py").write_text(code)
    return directory


@pytest.mark.slow
def test_the_method_of_the_text_trains(fixmatch, tmp_path):
    process = run(
        *TRAIN,
        "--method=fixmatch:FixMatch",
        f"--model_dir={tmp_path / 'run'}",
        PYTHONPATH=str(fixmatch),
    )
    assert json.loads(output_of(process))["step"] == 6


def test_it_is_fixmatch(fixmatch, monkeypatch):
    """Against NumPy: cross entropy with sure predictions alone."""
    monkeypatch.syspath_prepend(str(fixmatch))
    batch = made.batch(labeled=3, unlabeled=6)
    generator = np.random.default_rng(1)
    clean = 6 * generator.normal(size=(6, made.CLASSES)).astype(np.float32)
    method = methods.find("fixmatch:FixMatch").from_context(
        made.context("fixmatch:FixMatch")
    )
    result = method.compute_losses(
        lambda images, training: images,
        None,
        batch | {"teacher_image": clean},
        tf.constant(0),
    )
    targets = softmax(clean, axis=1)
    sure = targets.max(axis=1) >= 0.95
    assert 0 < sure.sum() < 6
    noised = log_softmax(batch["unlabeled_image"], axis=1)
    losses = -noised[np.arange(6), targets.argmax(axis=1)]
    expected = (batch["unlabeled_weight"] * sure * losses).mean()
    assert float(result.terms["unl/loss"].mean()) == pytest.approx(
        expected, rel=1e-5
    )
    assert result.terms["unl/loss"].factor == 2


def test_the_table_of_keys_is_the_pipelines():
    """Every key that a method of ours reads is in the text."""
    for name in methods.names():
        context = made.context(name)
        for key in methods.find(name).from_context(context).batch_keys:
            assert f"`{key}`" in TEXT, key


def test_the_network_of_the_text_trains(tmp_path):
    text = (ROOT / "docs/networks.md").read_text()
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    [body] = re.findall(r"def small.*", code, re.DOTALL)
    assert len(body.strip().split("\n")) <= 10
    (tmp_path / "own_networks.py").write_text(code)
    process = run(
        *TRAIN,
        "--method=supervised",
        "--model_name=own_networks:small",
        "--input_image_size=32",
        f"--model_dir={tmp_path / 'run'}",
        PYTHONPATH=str(tmp_path),
    )
    assert json.loads(output_of(process))["step"] == 6


@pytest.mark.slow
def test_the_python_of_the_text_runs(tmp_path, monkeypatch):
    """In a short form: the first block's settings are made small."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs/python.md").read_text()
    known: dict = {}
    first, *others = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(first, known)
    known["settings"] |= {
        "input_image_size": 8,
        "model_name": "tests.networks:tiny",
        "train_batch_size": 8,
        "train_steps": 4,
        "moving_average_decay": 0.5,
        "warmup_epochs": 0,
    }
    for block in others:
        # RandAugment takes long to compile; tests of its own do that.
        exec(block.replace('augment_name="v1"', 'augment_name="none"'), known)
    assert len(known["results"]["generations"]) == 3
    assert known["kept"].kept > 0
    assert known["model"].input_shape == (None, 8, 8, 3)
    results = json.loads((tmp_path / "runs/mine/results.json").read_text())
    assert results == known["results"]

"""What is said of NVIDIA's GPUs; this machine has none, so all is made up."""

import os

import pytest
import tensorflow as tf

from noisy_student.config import RunConfig
from noisy_student.training import distribution, hardware


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """A machine with a driver, and a TensorFlow that sees no GPU."""
    path = tmp_path / "version"
    path.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54")
    monkeypatch.setattr(hardware, "DRIVERS", (tmp_path / "none", path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return path


def test_missing_libraries_are_named(driver):
    reason = hardware.why_unused()
    assert reason.startswith(
        f"This machine has NVIDIA's driver ({driver}), and"
    )
    assert "lacks nvidia-cublas-cu12, " in reason
    assert reason.endswith("pip install -r requirements-gpu.txt")


def test_a_build_without_cuda_is_told(driver, monkeypatch):
    monkeypatch.setattr(tf.test, "is_built_with_cuda", lambda: False)
    assert "is built without CUDA" in hardware.why_unused()


def test_with_all_libraries_the_driver_is_doubted(driver, monkeypatch):
    monkeypatch.setattr(hardware, "_is_installed", lambda package: True)
    assert "new enough for CUDA 12" in hardware.why_unused()


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_hidden_gpus_are_not_missed(driver, monkeypatch, hidden):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert hardware.why_unused() is None


def test_nothing_is_said_where_there_is_no_driver(driver):
    driver.unlink()
    assert hardware.why_unused() is None


def test_nothing_is_said_where_tensorflow_has_a_gpu(driver, monkeypatch):
    found = [tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")]
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: found)
    assert hardware.why_unused() is None


def test_the_start_warns(driver, warnings):
    distribution.make_devices(RunConfig())
    assert warnings == [hardware.why_unused()]


@pytest.mark.parametrize(
    ("script", "size"),
    [
        (
            "echo 'NVIDIA T400, 2048 MiB'; echo 'NVIDIA H200, 143771 MiB'",
            "143771 MiB",
        ),
        ("echo 'NVIDIA T400, 2048 MiB'", None),
        ("echo 'Failed to initialize NVML'; exit 9", None),
        (None, None),
    ],
)
def test_memory_is_what_the_driver_says(tmp_path, monkeypatch, script, size):
    if script is not None:
        path = tmp_path / "nvidia-smi"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert hardware.memory("NVIDIA H200") == size

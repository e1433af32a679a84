import time

import pytest
import tensorflow as tf

from noisy_student.config import RunConfig
from noisy_student.training import distribution


@pytest.mark.parametrize(
    ("name", "replicas"), [("auto", 1), ("one_device", 1), ("mirrored", 2)]
)
def test_strategies_on_two_logical_cpus(name, replicas, capsys):
    devices = distribution.make_devices(RunConfig(name))
    assert devices.strategy.num_replicas_in_sync == replicas
    assert devices.is_chief and devices.agree(7) == 7
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"Devices: {replicas} x CPU")
    assert type(devices.strategy).__name__ in line


def test_a_batch_must_be_divisible_by_the_replicas():
    distribution.check_batch_size("train_batch_size", 12, 2, 3)
    with pytest.raises(ValueError, match="by the 2 replicas; got 5"):
        distribution.check_batch_size("train_batch_size", 5, 2)
    with pytest.raises(ValueError, match="2 replicas x 3 accumulation_steps"):
        distribution.check_batch_size("train_batch_size", 8, 2, 3)


def test_a_tpu_that_nobody_asked_for_serves_where_there_is_one(monkeypatch):
    monkeypatch.delenv("TPU_NAME", raising=False)
    devices = distribution.make_devices(RunConfig(use_tpu=None))
    assert devices.strategy.num_replicas_in_sync == 1
    monkeypatch.setenv("TPU_NAME", "grpc://localhost:1")
    distribution.make_devices(RunConfig())
    distribution.make_devices(RunConfig("one_device", use_tpu=None))
    with pytest.raises(ValueError, match="There is no TPU 'grpc://localhost"):
        distribution.make_devices(RunConfig(use_tpu=None))


@pytest.mark.parametrize(
    "tpu", [None, "grpc://localhost:1", "grpc://localhost:1,localhost:2"]
)
def test_a_tpu_that_is_not_there_is_refused_at_once(tpu):
    begin = time.monotonic()
    with pytest.raises(ValueError, match=r"^There is no TPU.*[^\n]\Z"):
        distribution.make_devices(RunConfig("tpu", tpu=tpu))
    assert time.monotonic() - begin < 5


def test_a_name_needs_googles_client(monkeypatch):
    def resolve(*_, **__):
        raise ImportError("googleapiclient must be installed")

    monkeypatch.setattr(
        tf.distribute.cluster_resolver, "TPUClusterResolver", resolve
    )
    with pytest.raises(ValueError, match="no TPU 'pod': googleapiclient must"):
        distribution.make_devices(RunConfig("tpu", tpu="pod"))

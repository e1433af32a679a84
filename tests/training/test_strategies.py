"""Strategies that would not train rightly are refused, each in one line."""

import types

import pytest
import tensorflow as tf

from noisy_student.stages import train
from noisy_student.training import distribution, strategies
from tests.training.runs import DEVICES


def parameter_server():
    # A real one wants a cluster.
    return object.__new__(tf.distribute.ParameterServerStrategy)


@pytest.mark.parametrize(
    "make",
    [
        tf.distribute.experimental.CentralStorageStrategy,
        parameter_server,
        tf.distribute.get_strategy,
    ],
)
def test_other_strategies_are_refused(make):
    strategy = make()
    with pytest.raises(ValueError, match=r"cannot train or .* TPUStrategy\.$"):
        distribution.Devices(strategy)


def test_workers_must_share_the_replicas(two_replicas):
    assert distribution.Devices(two_replicas, num_workers=2).is_chief
    message = "3 workers cannot share 2 replicas equally; give"
    with pytest.raises(ValueError, match=message):
        distribution.Devices(two_replicas, num_workers=3)


def names(**gpus):
    """The logical devices of a cluster, as TensorFlow names them."""
    return [
        f"/job:{worker[:-1]}/replica:0/task:{worker[-1]}/device:{kind}:{index}"
        for worker, count in gpus.items()
        for kind, number in (("CPU", 1), ("GPU", count))
        for index in range(number)
    ]


def test_workers_need_as_many_gpus():
    strategies.check_workers(names(chief0=2, worker0=2, worker1=2))
    strategies.check_workers(names(worker0=0, worker1=0))
    for gpus, told in (
        ({"worker0": 4, "worker1": 2}, "worker 0 has 4, worker 1 has 2"),
        ({"chief0": 1, "worker0": 0}, "chief 0 has 1, worker 0 has 0"),
    ):
        with pytest.raises(ValueError, match=f"one another: {told}. Hide some"):
            strategies.check_workers(names(**gpus))


def tpu(hosts):
    """What a TPU's strategy says of its devices, two on each host."""
    devices = tuple(
        f"/job:worker/replica:0/task:{host}/device:TPU:{core}"
        for host in range(hosts)
        for core in range(2)
    )
    extended = types.SimpleNamespace(worker_devices=devices)
    return types.SimpleNamespace(extended=extended)


def test_hosts_are_counted(two_replicas):
    assert [strategies.num_hosts(tpu(n)) for n in (1, 4)] == [1, 4]
    for strategy in (two_replicas, DEVICES.strategy):
        assert strategies.num_hosts(strategy) == 1


def test_a_method_with_state_of_each_worker_needs_one_host():
    train.check_worker_state("temporal_ensembling", tpu(1))
    train.check_worker_state("noisy_student", tpu(4))
    with pytest.raises(ValueError, match="would mix up those of this TPU's 4"):
        train.check_worker_state("temporal_ensembling", tpu(4))

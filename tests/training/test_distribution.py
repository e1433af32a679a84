import pytest

from noisy_student.training import distribution


@pytest.mark.parametrize(
    ("name", "replicas"), [("auto", 1), ("one_device", 1), ("mirrored", 2)]
)
def test_strategies_on_two_logical_cpus(name, replicas):
    strategy = distribution.make_strategy(name)
    assert strategy.num_replicas_in_sync == replicas


def test_an_unknown_distribution_is_refused():
    with pytest.raises(ValueError, match="one_device or mirrored; got 'tpu'"):
        distribution.make_strategy("tpu")


def test_a_batch_must_be_divisible_by_the_replicas(two_replicas):
    distribution.check_batch_size("train_batch_size", 6, two_replicas)
    with pytest.raises(ValueError, match="train_batch_size must be divisible"):
        distribution.check_batch_size("train_batch_size", 5, two_replicas)

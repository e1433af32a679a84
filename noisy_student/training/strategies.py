"""Which strategies of TensorFlow a run may have: those that train rightly."""

import collections
from collections.abc import Iterable

import tensorflow as tf

_RIGHT = (
    tf.distribute.OneDeviceStrategy,
    tf.distribute.MirroredStrategy,
    tf.distribute.MultiWorkerMirroredStrategy,
    tf.distribute.TPUStrategy,
)


def check(strategy: tf.distribute.Strategy, num_workers: int) -> None:
    """Refuses a strategy whose steps would not be those of one device.

    Others update weights without waiting for all replicas, or keep them in
    another place, which checkpoints, batch statistics and averages do not
    know.

    Args:
        strategy: Of a run.
        num_workers: The number of processes that run the same command.

    Raises:
        ValueError: It is none of those that are known to be right, or its
            replicas are not shared equally by the workers.
    """
    if not isinstance(strategy, _RIGHT):
        raise ValueError(
            f"{type(strategy).__name__} cannot train or predict here; use "
            "OneDeviceStrategy, MirroredStrategy, MultiWorkerMirroredStrategy "
            "or TPUStrategy."
        )
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        check_workers(
            device.name for device in tf.config.list_logical_devices()
        )
    replicas = strategy.num_replicas_in_sync
    if replicas % num_workers:
        raise ValueError(
            f"{num_workers} workers cannot share {replicas} replicas equally; "
            "give each of them as many devices."
        )


def check_workers(devices: Iterable[str]) -> None:
    """Refuses workers with different devices.

    Each worker takes the others to have as many replicas as itself; losses
    would be divided by wrong numbers, or all would wait for ever.

    Args:
        devices: The names of all logical devices of the cluster.

    Raises:
        ValueError: The workers' numbers of GPUs differ.
    """
    counts: dict[str, int] = collections.Counter()
    for name in devices:
        spec = tf.DeviceSpec.from_string(name)
        counts[f"{spec.job} {spec.task}"] += spec.device_type == "GPU"
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{n} has {gpus}" for n, gpus in counts.items())
        raise ValueError(
            f"All workers need as many GPUs as one another: {found}. Hide some "
            "with CUDA_VISIBLE_DEVICES, or use others."
        )


def num_hosts(strategy: tf.distribute.Strategy) -> int:
    """Returns how many machines read images for this process's replicas.

    It is 1 except on a TPU of several hosts, which one process controls.
    """
    devices = map(tf.DeviceSpec.from_string, strategy.extended.worker_devices)
    return len({(device.job, device.task) for device in devices})

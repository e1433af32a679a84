"""Which devices train: the one place that makes a strategy."""

import tensorflow as tf


def make_strategy(name: str) -> tf.distribute.Strategy:
    """Makes a distribution strategy.

    Args:
        name: `one_device` (the first GPU, or the CPU), `mirrored` (all GPUs
            of this machine, or all logical CPUs where it has none), or `auto`
            (mirrored with more than one GPU).

    Raises:
        ValueError: unknown name.
    """
    gpus = tf.config.list_logical_devices("GPU")
    if name == "auto":
        name = "mirrored" if len(gpus) > 1 else "one_device"
    devices = [
        device.name for device in gpus or tf.config.list_logical_devices("CPU")
    ]
    if name == "one_device":
        return tf.distribute.OneDeviceStrategy(devices[0])
    if name == "mirrored":
        return tf.distribute.MirroredStrategy(devices)
    raise ValueError(
        f"distribution must be auto, one_device or mirrored; got {name!r}."
    )


def check_batch_size(
    name: str, batch_size: int, strategy: tf.distribute.Strategy
) -> None:
    """Refuses a global batch that the replicas cannot share equally.

    Raises:
        ValueError: naming the flag `name`.
    """
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        raise ValueError(
            f"{name} must be divisible by the {replicas} replicas; got "
            f"{batch_size}."
        )

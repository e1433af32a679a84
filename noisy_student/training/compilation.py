"""How a replica computes its step: compiled by XLA or not, how precisely."""

import contextlib
import re
from collections.abc import Callable, Iterator

import tensorflow as tf
from absl import logging

from noisy_student.errors import InputError

# TensorFlow's words for an operation that XLA does not have.
_UNSUPPORTED = re.compile(r"Detected unsupported operations.*?: (\w+) \(", re.S)


def is_compiled(strategy: tf.distribute.Strategy, jit_compile: str) -> bool:
    """Returns whether the step is compiled, as `RunConfig.jit_compile` says.

    Args:
        strategy: the strategy that trains.
        jit_compile: auto, true or false.

    Raises:
        ValueError: it cannot be as asked.
    """
    if isinstance(strategy, tf.distribute.TPUStrategy):
        if jit_compile == "false":
            raise ValueError(
                "jit_compile=false is not for TPUs, which run compiled steps "
                "only; leave it out."
            )
        return True
    has_gpus = bool(tf.config.list_logical_devices("GPU"))
    if jit_compile == "auto":
        return has_gpus
    replicas = strategy.num_replicas_in_sync
    if jit_compile == "true" and not has_gpus and replicas > 1:
        raise ValueError(
            f"jit_compile=true compiles for one CPU, and there are {replicas} "
            "replicas; leave it out."
        )
    return jit_compile == "true"


def check_precision(strategy: tf.distribute.Strategy, precision: str) -> None:
    """Refuses float16 on TPUs, and warns of it on CPUs."""
    if precision != "float16":
        return
    if isinstance(strategy, tf.distribute.TPUStrategy):
        raise ValueError(
            "precision=float16 is not for TPUs, which compute in bfloat16; use "
            "precision=bfloat16."
        )
    if not tf.config.list_logical_devices("GPU"):
        logging.warning(
            "precision=float16 is slow on a CPU, which computes it in small "
            "pieces; float32 trains fastest there."
        )


def compiled(step: Callable) -> Callable:
    """Returns a function of one replica, compiled by XLA.

    A TPU compiles whatever its strategy runs, and nothing in it apart.
    """
    if isinstance(tf.distribute.get_strategy(), tf.distribute.TPUStrategy):
        return step
    return tf.function(step, jit_compile=True)


@contextlib.contextmanager
def errors_named(method: str) -> Iterator[None]:
    """Turns XLA's error about an operation that it does not have into a line.

    Args:
        method: name of the method whose step the block runs.

    Raises:
        InputError: naming the operation.
    """
    try:
        yield
    except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as e:
        found = _UNSUPPORTED.search(e.message)
        if not found:
            raise
        raise InputError(
            f"XLA cannot compile the step of method={method}: it does not have "
            f"the operation {found[1]}. Set jit_compile=false."
        ) from e

"""Several files at once, in the order that was asked for."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from noisy_student import cores

_LEAST = 16  # a read waits more than it computes


def several_at_once(
    dataset: tf.data.Dataset, read: Callable[..., Any]
) -> tf.data.Dataset:
    """Maps a function that reads over a dataset, whose order stays."""
    return dataset.map(
        read,
        num_parallel_calls=max(_LEAST, 2 * cores.available()),
        deterministic=True,
        use_unbounded_threadpool=True,  # else, there is a thread for each core
    )

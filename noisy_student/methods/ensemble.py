"""Temporal ensembling's targets: an average of predictions for each image."""

import math
import sys

import tensorflow as tf

from noisy_student import memory
from noisy_student.config import ConsistencyConfig

_GIB = 2**30


class Ensemble:
    """Z = alpha Z + (1 - alpha) z, a row for each image.

    Starts at 0, which Z / (1 - alpha^t) makes up for after t updates (arXiv
    1610.02242, section 2.2). Its variables are this process' own, in the
    host's memory: make it outside of the strategy's scope.

    Args:
        size: images and classes.
        config: alpha, and the dtype of Z; what is computed is float32.
    """

    def __init__(
        self, size: tuple[int, int], config: ConsistencyConfig
    ) -> None:
        self.decay = config.ensemble_decay
        with tf.device("CPU:0"):
            self._sums = tf.Variable(
                tf.zeros(size, config.ensemble_dtype), trainable=False
            )
            self._counts = tf.Variable(
                tf.zeros(size[:1], tf.int32), trainable=False
            )

    def state(self) -> dict[str, tf.Variable]:
        """For checkpoints: Z, (images, classes), and t, int32 (images,)."""
        return {"sums": self._sums, "counts": self._counts}

    def targets(self, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Z / (1 - alpha^t) of some images.

        Args:
            rows: int64 (batch,).

        Returns:
            Probabilities, float32 (batch, classes), and float32 (batch,): 1,
            or 0 for an image without a prediction so far, whose target is 0.
        """
        with tf.device("CPU:0"):
            sums = tf.cast(self._sums.sparse_read(rows), tf.float32)
            counts = tf.cast(self._counts.sparse_read(rows), tf.float32)
        has_target = tf.cast(counts > 0, tf.float32)
        bias = 1 - tf.pow(self.decay, counts)
        return tf.math.divide_no_nan(sums, bias[:, None]), has_target

    def update(
        self, rows: tf.Tensor, probabilities: tf.Tensor, chosen: tf.Tensor
    ) -> None:
        """Takes predictions into the averages; no gradient is taken of them.

        Where an epoch ends within a batch, an image may come twice: one after
        the other, in their order. Call in replica context, or without a
        strategy; all replicas have read their targets before the first update
        (of a part of the step, where it has several).

        Args:
            rows: int64 (batch,).
            probabilities: float32 (batch, classes).
            chosen: bool (batch,), which of them to take.
        """
        tf.distribute.get_replica_context().merge_call(
            self._update_all, args=(rows, probabilities, chosen)
        )

    def _update_all(self, strategy: tf.distribute.Strategy, *values) -> None:
        """One after the other of this worker's replicas."""
        with tf.device("CPU:0"):
            rows, probabilities, chosen = (
                tf.concat(strategy.experimental_local_results(value), axis=0)
                for value in values
            )
            rows = tf.boolean_mask(rows, chosen)
            probabilities = tf.boolean_mask(probabilities, chosen)
            turns = _occurrences(rows)
            for turn in tf.range(tf.reduce_max(turns) + 1):
                now = tf.equal(turns, turn)
                self._move(
                    tf.boolean_mask(rows, now),
                    tf.boolean_mask(probabilities, now),
                )

    def _move(self, rows: tf.Tensor, probabilities: tf.Tensor) -> None:
        """Updates rows that are all different."""
        old = tf.cast(self._sums.sparse_read(rows), tf.float32)
        new = self.decay * old + (1 - self.decay) * probabilities
        new = tf.cast(new, self._sums.dtype)
        self._sums.scatter_update(tf.IndexedSlices(new, rows))
        ones = tf.ones_like(rows, tf.int32)
        self._counts.scatter_add(tf.IndexedSlices(ones, rows))


def _occurrences(rows: tf.Tensor) -> tf.Tensor:
    """How often each row has come before in the list, int32 (batch,)."""
    order = tf.argsort(rows, stable=True)
    ordered = tf.gather(rows, order)
    first = tf.searchsorted(ordered, ordered)
    earlier = tf.range(tf.size(rows)) - first
    return tf.scatter_nd(order[:, None], earlier, tf.shape(rows))


def check_memory(size: tuple[int, int], config: ConsistencyConfig) -> None:
    """Says how much memory the targets take.

    Raises:
        ValueError: more than there is, unless `force_ensemble`.
    """
    images, classes = size
    dtype = tf.as_dtype(config.ensemble_dtype)
    kept = math.prod(size) * dtype.size + images * tf.int32.size
    needed = 2 * kept  # while a checkpoint is read, there are two of them
    free = memory.available()
    print(
        f"Temporal ensembling keeps {images:,} x {classes:,} targets in "
        f"{dtype.name}: {kept:,} bytes ({kept / _GIB:.2f} GiB), and twice as "
        f"much when it resumes; {free / _GIB:.2f} GiB are free.",
        file=sys.stderr,
        flush=True,
    )
    if needed > free and not config.force_ensemble:
        raise ValueError(
            f"The targets of temporal ensembling take {needed / _GIB:.2f} GiB "
            f"when it resumes, and {free / _GIB:.2f} GiB are free: use "
            "ensemble_dtype=float16, more workers or mean_teacher, or set "
            "force_ensemble."
        )

"""The targets of temporal ensembling: averages of each image's predictions."""

import math
import sys

import tensorflow as tf

from noisy_student import memory
from noisy_student.config import ConsistencyConfig

_GIB = 2**30


class Ensemble:
    """Z = alpha Z + (1 - alpha) z, with one row of Z for each image.

    Z starts at 0, which Z / (1 - alpha^t) corrects after t updates (arXiv
    1610.02242, section 2.2). The variables belong to one process and lie in
    the host's memory: build this outside the strategy's scope.

    Args:
        size: number of images and number of classes.
        config: has alpha and the dtype of Z; computations are in float32.
    """

    def __init__(
        self, size: tuple[int, int], config: ConsistencyConfig
    ) -> None:
        self.decay = config.ensemble_decay
        sums = tf.zeros(size, config.ensemble_dtype)
        counts = tf.zeros(size[:1], tf.int32)
        with tf.device("CPU:0"):
            self._sums = tf.Variable(sums, trainable=False)
            self._counts = tf.Variable(counts, trainable=False)

    def state(self) -> dict[str, tf.Variable]:
        """Returns Z, (images, classes), and t, int32 (images,)."""
        return {"sums": self._sums, "counts": self._counts}

    def targets(self, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns Z / (1 - alpha^t) of some images.

        Args:
            rows: int64 (batch,), row numbers of the images.

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
        """Adds predictions to the averages, without gradient.

        An image may come twice in a batch in which an epoch ends; then both
        predictions are added, in their order. Call in replica context, or
        without a strategy. All replicas have read their targets before the
        first update (with `accumulation_steps`, those of the same piece).

        Args:
            rows: int64 (batch,), row numbers of the images.
            probabilities: float32 (batch, classes), their predictions.
            chosen: bool (batch,), which of them to add.
        """
        tf.distribute.get_replica_context().merge_call(
            self._update_all, args=(rows, probabilities, chosen)
        )

    def _update_all(self, strategy: tf.distribute.Strategy, *values) -> None:
        """Adds the predictions of this worker's replicas, one by one."""
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
                self._update_rows(
                    tf.boolean_mask(rows, now),
                    tf.boolean_mask(probabilities, now),
                )

    def _update_rows(self, rows: tf.Tensor, probabilities: tf.Tensor) -> None:
        """Updates rows, all of which are different."""
        old = tf.cast(self._sums.sparse_read(rows), tf.float32)
        new = self.decay * old + (1 - self.decay) * probabilities
        new = tf.cast(new, self._sums.dtype)
        self._sums.scatter_update(tf.IndexedSlices(new, rows))
        ones = tf.ones_like(rows, tf.int32)
        self._counts.scatter_add(tf.IndexedSlices(ones, rows))


def _occurrences(rows: tf.Tensor) -> tf.Tensor:
    """Returns how often each row came earlier in the list, int32 (batch,)."""
    order = tf.argsort(rows, stable=True)
    ordered = tf.gather(rows, order)
    first = tf.searchsorted(ordered, ordered)
    earlier = tf.range(tf.size(rows)) - first
    return tf.scatter_nd(order[:, None], earlier, tf.shape(rows))


def check_memory(size: tuple[int, int], config: ConsistencyConfig) -> None:
    """Prints how much memory the targets take.

    Args:
        size: number of images and number of classes.
        config: has the dtype, and whether to go on regardless.

    Raises:
        ValueError: it is more than is free, unless `force_ensemble`.
    """
    images, classes = size
    dtype = tf.as_dtype(config.ensemble_dtype)
    kept = math.prod(size) * dtype.size + images * tf.int32.size
    needed = 2 * kept  # reading a checkpoint makes a second copy
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

"""What evaluators share: one pass over the images, each counted once."""

import abc
import dataclasses
from collections.abc import Callable, Iterator

import keras
import tensorflow as tf

from noisy_student import memory, progress
from noisy_student.data import passes
from noisy_student.data.passes import Batches

Metrics = dict[str, float]
_COUNTED = "num_images"


@dataclasses.dataclass(eq=False)
class Evaluator(abc.ABC):
    """Measures models on the same images, on all devices of the strategy.

    Subclasses say what to sum over the images, and which metrics follow from
    the sums. Build one evaluator for a run: a model is traced at its first
    evaluation only.

    Attributes:
        batches: makes one pass over a worker's share of the images, in
            batches of a replica: `image`, `label` and `weight`, which is 0
            for padding, as `plain.plain_images` does.
        num_images: number of images with weight 1, over all workers.
        description: text of the progress bar.
        shown: whether there is a progress bar.
    """

    batches: Batches
    num_images: int
    description: str = "evaluate"
    shown: bool = True

    @abc.abstractmethod
    def sums(
        self, model: keras.Model, batch: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """Computes sums over one replica's batch; runs in replica context.

        Args:
            model: images to logits; call it with `training=False`.
            batch: `image`, uint8 (batch, side, side, 3), `label`, int64
                (batch,), and `weight`, float32 (batch,), 0 or 1.

        Returns:
            Weighted sums over the batch by name, float32, of any shape.
        """

    @abc.abstractmethod
    def metrics(self, sums: dict) -> Metrics:
        """Computes the metrics.

        Args:
            sums: what `sums` returned, summed over all images: floats and
                float64 arrays.
        """

    def __call__(
        self, model: keras.Model, on_batch: Callable[[], None] = lambda: None
    ) -> Metrics:
        """Evaluates a model in the strategy's scope that it was built in.

        Args:
            model: images to logits; called without noise.
            on_batch: called after every batch.

        Returns:
            The metrics by name, and `num_images`.
        """
        return {
            **self.metrics(self.measure(model, on_batch)),
            _COUNTED: self.num_images,
        }

    def measure(
        self, model: keras.Model, on_batch: Callable[[], None] = lambda: None
    ) -> dict:
        """Sums over all images; see `__call__`.

        Returns:
            What `metrics` takes.
        """
        iterator, steps, step_size = passes.distribute(
            self.batches, self.num_images
        )
        total: dict[str, tf.Tensor] = {}
        with (
            memory.enough(
                f"{self.description} with {step_size} images at a time",
                "lower eval_batch_size",
            ),
            progress.bar(
                self.num_images, self.description, "image", shown=self.shown
            ) as bar,
        ):
            for step in range(steps):
                for name, value in self._step(model, iterator).items():
                    value = tf.cast(value, tf.float64)
                    total[name] = total[name] + value if step else value
                bar.update(min(step_size, self.num_images - step * step_size))
                on_batch()
        sums = {name: value.numpy() for name, value in total.items()}
        counted = sums.pop(_COUNTED)
        assert counted == self.num_images, f"{counted} of {self.num_images}"
        return sums

    @tf.function
    def _step(
        self, model: keras.Model, iterator: Iterator
    ) -> dict[str, tf.Tensor]:
        """Sums over one batch of all replicas."""

        def on_replica(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            counted = {_COUNTED: tf.reduce_sum(batch["weight"])}
            return self.sums(model, batch) | counted

        strategy = tf.distribute.get_strategy()
        sums = strategy.run(on_replica, args=(next(iterator),))
        # One by one: a strategy of several workers reduces no structures.
        total = tf.distribute.ReduceOp.SUM
        return {
            name: strategy.reduce(total, value, axis=None)
            for name, value in sums.items()
        }

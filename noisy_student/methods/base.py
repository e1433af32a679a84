"""What a method is: where the targets of its losses come from.

Step, loop, optimizer, averaging and checkpoints know no method by name; they
call what is declared here.
"""

import abc
import dataclasses
from typing import Any

import keras
import tensorflow as tf

from noisy_student.config import ConsistencyConfig, TrainConfig
from noisy_student.methods import ramps

Batch = dict[str, tf.Tensor]


@dataclasses.dataclass(frozen=True)
class LossTerm:
    """A part of the loss: factor * mean(weights * losses).

    Attributes:
        losses: float32 (examples,), of one replica.
        weights: float32 (examples,); 0 leaves an example out, but it still
            counts in the mean's denominator.
        factor: of the term in the total.
    """

    losses: tf.Tensor
    weights: tf.Tensor
    factor: float | tf.Tensor = 1.0

    def mean(self) -> tf.Tensor:
        """The mean of weights * losses over the replica's examples."""
        return tf.reduce_mean(self.weights * self.losses)


@dataclasses.dataclass(frozen=True)
class Losses:
    """What a method makes of a batch.

    Attributes:
        terms: parts of the loss by the name of their summary.
        metrics: scalars to log, by name; no gradient is taken of them.
    """

    terms: dict[str, LossTerm]
    metrics: dict[str, tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Setup:
    """What a method is made of.

    Attributes:
        train: settings of the run.
        consistency: settings of the consistency methods.
        num_classes: of the task.
        num_labeled, num_unlabeled: images of all workers.
        own_labeled, own_unlabeled: images of this worker's part, at most.
        strategy: of the run; what all replicas share is made in its scope.
        teacher: images to logits, labels in the step; None is none, and in
            `Method.check`.
        has_records: whether the unlabelled images are pseudo-labelled
            records; not known to `Method.check` in self-training.
    """

    train: TrainConfig
    consistency: ConsistencyConfig
    num_classes: int
    num_labeled: int
    num_unlabeled: int = 0
    own_labeled: int = 0
    own_unlabeled: int = 0
    strategy: tf.distribute.Strategy = dataclasses.field(
        default_factory=tf.distribute.get_strategy
    )
    teacher: keras.Model | None = None
    has_records: bool = False

    @property
    def ramp(self) -> ramps.Ramps:
        """Where the run's ramps are."""
        return ramps.Ramps.of(self.train, self.num_labeled)


class Method(abc.ABC):
    """A way to learn from labelled and unlabelled images.

    Attributes:
        batch_keys: the keys of the batch that it reads; the pipeline makes
            those and no others (see `inputs.training_batches`).
        needs_unlabeled: whether it learns from unlabelled images too.
        needs_teacher: whether an earlier teacher labels these, in records or
            in the step.
    """

    batch_keys: tuple[str, ...]
    needs_unlabeled = False
    needs_teacher = False

    @classmethod
    def check(cls, setup: Setup) -> None:
        """Refuses what it cannot train on, before anything is made.

        Overrides call this one too.

        Raises:
            ValueError: what is wrong and what to do about it.
        """
        if not cls.needs_unlabeled:
            return
        needs = f"method={setup.train.method} learns from unlabelled images"
        if not setup.train.unlabel_ratio:
            raise ValueError(f"{needs}: unlabel_ratio must be above 0; got 0.")
        if not setup.num_unlabeled:
            raise ValueError(
                f"{needs}, and there are none with these flags: lower "
                "num_labeled or set unlabel_split or unlabel_image_dir."
            )

    @classmethod
    @abc.abstractmethod
    def of(cls, setup: Setup) -> "Method":
        """The method of a run; every worker calls this alike.

        Outside of the strategy's scope: variables of `state` are to be made
        in `setup.strategy.scope()`, those of `own_state` outside.
        """

    @abc.abstractmethod
    def compute_losses(
        self,
        student: keras.Model,
        average: keras.Model,
        batch: Batch,
        step: tf.Tensor,
    ) -> Losses:
        """Per-example losses on one replica's part of a batch.

        Runs in a gradient tape and in replica context, once for each of
        `accumulation_steps` parts.

        Args:
            student: the model in training; call it with `training=True`.
            average: the averaged model, to be called without training, or
                by `models.call_as_teacher`.
            batch: the keys of `batch_keys`.
            step: int64 (), number of finished steps.
        """

    def average_decay(self, step: tf.Tensor) -> tf.Tensor | None:
        """Decay of the averaged weights after a step.

        Args:
            step: int64 (), number of finished steps.

        Returns:
            float32 scalar in [0, 1); None for `moving_average_decay`'s.
        """
        del step
        return None

    def state(self) -> dict[str, Any]:
        """What checkpoints must keep of the method; nothing by default.

        Returns:
            Trackable objects, such as variables, by name; the same on all
            workers.
        """
        return {}

    def own_state(self) -> dict[str, Any]:
        """The same, of what each worker has of its own."""
        return {}

    def after_step(self, step: tf.Tensor) -> None:
        """An update after each step, across replicas; none by default.

        Args:
            step: int64, number of finished steps.
        """
        del step

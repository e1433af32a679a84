"""What a method is: where the targets of its losses come from.

Step, loop, optimizer, averaging and checkpoints know no method by name; they
call what is declared here.
"""

import abc
import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import keras
import tensorflow as tf

from noisy_student.config import ConsistencyConfig, TrainConfig
from noisy_student.methods import ramps

Batch = dict[str, tf.Tensor]


@dataclasses.dataclass(frozen=True)
class LossTerm:
    """One term of the loss: factor * mean(weights * losses).

    Attributes:
        losses: float32 (examples,), the losses of one replica's examples.
        weights: float32 (examples,); 0 leaves an example out, but it still
            counts in the mean's denominator.
        factor: factor of the term in the total loss.
    """

    losses: tf.Tensor
    weights: tf.Tensor
    factor: float | tf.Tensor = 1.0

    def mean(self) -> tf.Tensor:
        """Returns the mean of weights * losses, float32 ()."""
        return tf.reduce_mean(self.weights * self.losses)


@dataclasses.dataclass(frozen=True)
class Losses:
    """What a method computes from a batch.

    Attributes:
        terms: terms of the loss, by the name of their summary.
        metrics: scalars to log, by name; they have no influence on training.
        kept: tensors that `Method.remember` gets, by name.
    """

    terms: dict[str, LossTerm]
    metrics: dict[str, tf.Tensor]
    kept: dict[str, tf.Tensor] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class MethodContext:
    """The settings and facts of a run that a method is built from.

    Attributes:
        train: settings of the optimisation, with the method's defaults.
        consistency: settings of the consistency methods, the same.
        num_classes: number of classes.
        num_labeled: number of labelled images, over all workers.
        num_unlabeled: number of unlabelled images, over all workers.
        worker_labeled: number of labelled images that this worker reads.
        worker_unlabeled: number of unlabelled images that this worker reads,
            at most.
        strategy: the strategy of the run. What all replicas share is created
            in its scope.
        teacher: a model from images to logits that labels in every step; None
            where there is none, and in `Method.check`.
        has_records: whether the unlabelled images are pseudo-labelled
            records; not known to `Method.check` in self-training.
    """

    train: TrainConfig
    consistency: ConsistencyConfig
    num_classes: int
    num_labeled: int
    num_unlabeled: int = 0
    worker_labeled: int = 0
    worker_unlabeled: int = 0
    strategy: tf.distribute.Strategy = dataclasses.field(
        default_factory=tf.distribute.get_strategy
    )
    teacher: keras.Model | None = None
    has_records: bool = False

    @property
    def label_smoothing(self) -> float:
        """The label smoothing of the run, in [0, 1)."""
        assert self.train.label_smoothing is not None, "see with_defaults"
        return self.train.label_smoothing

    @property
    def ramp(self) -> ramps.Ramps:
        """The ramps of the run."""
        return ramps.Ramps.from_config(self.train, self.num_labeled)


class Method(abc.ABC):
    """A way to learn from labelled and unlabelled images.

    Attributes:
        batch_keys: the keys of the batch that the method reads; the input
            pipeline makes these and no others.
        needs_unlabeled: whether it learns from unlabelled images too.
        needs_teacher: whether an earlier teacher labels these images, in
            records or in every step.
        default_optimizer: value of `optimizer` where that is None.
        default_schedule: value of `learning_rate_schedule` where that is
            None; None is ramps with adam, else staircase.
        default_label_smoothing: value of `label_smoothing` where that is
            None.
        default_max_consistency_weight: value of `max_consistency_weight`
            where that is None.
    """

    batch_keys: tuple[str, ...]
    needs_unlabeled = False
    needs_teacher = False
    default_optimizer = "rmsprop"
    default_schedule: str | None = None
    default_label_smoothing = 0.1
    default_max_consistency_weight = 100.0

    @classmethod
    def check(cls, context: MethodContext) -> None:
        """Refuses what the method cannot train on, before anything is built.

        Overrides call this one too.

        Raises:
            ValueError: saying what is wrong and what to do about it.
        """
        if not cls.needs_unlabeled:
            return
        needs = f"method={context.train.method} learns from unlabelled images"
        if not context.train.unlabel_ratio:
            raise ValueError(f"{needs}: unlabel_ratio must be above 0; got 0.")
        if not context.num_unlabeled:
            raise ValueError(
                f"{needs}, and there are none with these flags: lower "
                "num_labeled or set unlabel_split or unlabel_image_dir."
            )

    @classmethod
    def from_context(cls, context: MethodContext) -> "Method":
        """Builds the method of a run; every worker calls this alike.

        The default calls the class with the context. It is called outside
        the strategy's scope: variables of `state` are to be created in
        `context.strategy.scope()`, those of `worker_state` outside it.
        """
        return cls(context)  # type: ignore[call-arg]

    @abc.abstractmethod
    def compute_losses(
        self,
        student: keras.Model,
        average: keras.Model,
        batch: Batch,
        step: tf.Tensor,
    ) -> Losses:
        """Computes per-example losses of one replica's share of a batch.

        Runs in a gradient tape and in replica context, once for each of the
        `accumulation_steps` pieces of a batch. XLA compiles it on GPUs and
        TPUs.

        Args:
            student: the model in training; call it with `training=True`.
            average: the averaged model; call it with `training=False`, or by
                `models.call_as_teacher`.
            batch: what `look_up` returned.
            step: int64 (), number of finished steps.
        """

    def look_up(self, batch: Batch) -> Batch:
        """Adds to a batch, before its losses, what only the host has.

        Runs in replica context, and is not compiled.

        Args:
            batch: the tensors of `batch_keys`.
        """
        return batch

    def remember(self, batch: Batch, kept: dict[str, tf.Tensor]) -> None:
        """Keeps on the host, after a batch's losses, what they left for it.

        Runs in replica context, and is not compiled. Does nothing by default.

        Args:
            batch: what `look_up` returned.
            kept: `Losses.kept`.
        """
        del batch, kept

    def average_decay(self, step: tf.Tensor) -> tf.Tensor | None:
        """Returns the decay of the averaged weights after a step.

        Args:
            step: int64 (), number of finished steps.

        Returns:
            float32 () in [0, 1); None for that of `moving_average_decay`.
        """
        del step
        return None

    def state(self) -> dict[str, Any]:
        """Returns what checkpoints must keep of the method.

        Returns:
            Trackable objects, such as variables, by name; the same on all
            workers. Empty by default.
        """
        return {}

    def worker_state(self) -> dict[str, Any]:
        """Returns what checkpoints must keep of each worker by itself.

        Returns:
            Trackable objects by name. Empty by default, and on all workers or
            on none.
        """
        return {}

    def after_step(self, step: tf.Tensor) -> None:
        """Updates the method after each step; does nothing by default.

        Runs in cross-replica context.

        Args:
            step: int64 (), number of finished steps.
        """
        del step


registered: dict[str, type[Method]] = {}
_AnyMethod = TypeVar("_AnyMethod", bound=type[Method])


def register(name: str) -> Callable[[_AnyMethod], _AnyMethod]:
    """Returns a class decorator that makes a class a built-in method.

    Args:
        name: its name in the setting `method`.
    """

    def add(method: _AnyMethod) -> _AnyMethod:
        registered[name] = method
        return method

    return add

"""Accuracy on adversarial examples, for several attacks and epsilons."""

import dataclasses
from collections.abc import Callable, Mapping

import keras
import numpy as np
import tensorflow as tf

from noisy_student.evaluation import base
from noisy_student.evaluation.attacks import Attack

_CLEAN = "clean"


@dataclasses.dataclass(eq=False)
class AccuracyUnderAttack(base.Evaluator):
    """The shares of images that stay correct under attacks.

    All attacks and epsilons are measured in one pass over the images. Batches
    also have `row`, int64 (batch,), an image's place among all of them, so
    that the number of devices does not change what is drawn. A gradient needs
    about the memory of a training step of the batch.

    Attributes:
        attacks: The attacks by name.
        epsilons: Largest changes of a value, in units of a pixel (1/255 of the
            range), at least 0. At 0 no image is changed.
    """

    attacks: Mapping[str, Attack] = dataclasses.field(kw_only=True)
    epsilons: tuple[float, ...] = dataclasses.field(kw_only=True)

    def __post_init__(self) -> None:
        """Checks the epsilons.

        Raises:
            ValueError: One is below 0.
        """
        if min(self.epsilons, default=0) < 0:
            raise ValueError(
                f"epsilons must be at least 0; got {min(self.epsilons)}."
            )

    def accuracies(
        self, model: keras.Model, on_batch: Callable[[], None] = lambda: None
    ) -> dict[str, list[float]]:
        """Measures a model; see `__call__` of the base class.

        Returns:
            For each attack, the accuracy in [0, 1] at each epsilon.
        """
        return self._accuracies(self.measure(model, on_batch))

    def sums(
        self, model: keras.Model, batch: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """Counts the correct predictions: float32 () and (epsilons,)."""
        images = tf.cast(batch["image"], tf.float32)
        labels, rows = batch["label"], batch["row"]
        # A tensor, so that the model is traced once and not for each epsilon.
        epsilons = tf.constant(self._attacked, tf.float32)

        def correct(images: tf.Tensor) -> tf.Tensor:
            logits = model(images, training=False)
            hits = tf.argmax(logits, axis=-1) == labels
            return tf.reduce_sum(tf.cast(hits, tf.float32) * batch["weight"])

        counts = {_CLEAN: correct(images)}
        for name, attack in self.attacks.items():
            perturb = attack.of(model, images, labels, rows)
            counts[name] = tf.map_fn(
                lambda epsilon, perturb=perturb: correct(perturb(epsilon)),
                epsilons,
                parallel_iterations=1,  # memory for one gradient at a time
            )
        return counts

    def metrics(self, sums: dict[str, np.ndarray]) -> base.Metrics:
        """Names accuracies `clean_accuracy`, `fgsm_4_accuracy` and so on."""
        named = {
            f"{attack}_{epsilon:g}_accuracy": accuracy
            for attack, found in self._accuracies(sums).items()
            for epsilon, accuracy in zip(self.epsilons, found, strict=True)
        }
        clean = float(sums[_CLEAN]) / self.num_images
        return {f"{_CLEAN}_accuracy": clean, **named}

    @property
    def _attacked(self) -> list[float]:
        """The epsilons above 0, ascending."""
        return sorted({epsilon for epsilon in self.epsilons if epsilon > 0})

    def _accuracies(self, sums: dict[str, np.ndarray]) -> dict[str, list]:
        found = {}
        for name in self.attacks:
            counts = dict(zip(self._attacked, sums[name], strict=True))
            counts[0] = sums[_CLEAN]
            found[name] = [
                float(counts[epsilon]) / self.num_images
                for epsilon in self.epsilons
            ]
        return found

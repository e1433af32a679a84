"""Adversarial examples in an L-infinity ball around images: FGSM and PGD.

Images are float and stay in [0, 255]; nothing is rounded. Gradients are those
of the cross entropy with the true class, of the model without noise.
"""

import abc
import dataclasses
from collections.abc import Callable

import keras
import tensorflow as tf

_LOWEST, _HIGHEST = 0.0, 255.0
# All steps of PGD together are so many times as long as epsilon.
_REACH = 2.5
# Of the loss, so that no small gradient is 0 in a model that computes in
# float16; a power of 2 changes nothing else.
_SCALE = 2.0**10

# From epsilon, float32 (), in units of a pixel, to images as far from the
# original ones at most. Can be called in a loop of a graph.
Perturb = Callable[[tf.Tensor], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Attack(abc.ABC):
    """Changes images so that a model errs."""

    @abc.abstractmethod
    def of(
        self,
        model: keras.Model,
        images: tf.Tensor,
        labels: tf.Tensor,
        rows: tf.Tensor,
    ) -> Perturb:
        """Attacks some images.

        Args:
            model: From images to logits.
            images: float32 (batch, side, side, 3), in [0, 255].
            labels: The true classes, int64 (batch,).
            rows: The images' places among all of them, int64 (batch,). What
                is drawn at random depends on the place alone.

        Returns:
            A function of epsilon. What does not depend on epsilon is computed
            once, whatever the number of its calls.
        """


@dataclasses.dataclass(frozen=True)
class FGSM(Attack):
    """One step of size epsilon along the sign of the gradient.

    The fast gradient sign method of Goodfellow et al. (arXiv 1412.6572,
    section 4).
    """

    def of(
        self,
        model: keras.Model,
        images: tf.Tensor,
        labels: tf.Tensor,
        rows: tf.Tensor,
    ) -> Perturb:
        """See `Attack`; nothing is drawn."""
        del rows
        direction = _ascent(model, images, labels)
        return lambda epsilon: _in_ball(
            images + epsilon * direction, images, epsilon
        )


@dataclasses.dataclass(frozen=True)
class PGD(Attack):
    """Projected gradient descent from a random start.

    Steps along the sign of the gradient, each projected onto the ball (Madry
    et al., arXiv 1706.06083, section 2.1).

    Attributes:
        steps: Their number, at least 1.
        step_size: Their size in units of a pixel; None is 2.5 epsilon /
            `steps`.
        seed: Of the starts, which are uniform in the ball.
    """

    steps: int = 10
    step_size: float | None = None
    seed: int = 0

    def of(
        self,
        model: keras.Model,
        images: tf.Tensor,
        labels: tf.Tensor,
        rows: tf.Tensor,
    ) -> Perturb:
        """See `Attack`; the starts for all epsilons are alike but for size."""
        starts = _uniform(images.shape[1:], rows, self.seed)

        def perturb(epsilon: tf.Tensor) -> tf.Tensor:
            size = self.step_size or _REACH * epsilon / self.steps

            def step(number: tf.Tensor, found: tf.Tensor) -> tuple:
                found += size * _ascent(model, found, labels)
                return number + 1, _in_ball(found, images, epsilon)

            first = _in_ball(images + epsilon * starts, images, epsilon)
            _, found = tf.while_loop(
                lambda number, found: number < self.steps,
                step,
                (tf.constant(0), first),
            )
            return found

        return perturb


def input_gradient(
    model: keras.Model, images: tf.Tensor, labels: tf.Tensor
) -> tf.Tensor:
    """Computes the gradient of each image's cross entropy by its pixels.

    Args:
        model: From images to logits; called without noise.
        images: float32 (batch, side, side, 3), in [0, 255].
        labels: The true classes, int64 (batch,).

    Returns:
        float32 (batch, side, side, 3), in nats by unit of a pixel.

    Raises:
        ValueError: The model has no gradient by its images.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        logits = tf.cast(model(images, training=False), tf.float32)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        scaled = losses * _SCALE
    gradient = tape.gradient(scaled, images)
    if gradient is None:
        raise ValueError(
            f"{model.name} has no gradient by its images, which the attacks "
            "follow; leave out the suite adversarial."
        )
    return gradient / _SCALE


def _ascent(
    model: keras.Model, images: tf.Tensor, labels: tf.Tensor
) -> tf.Tensor:
    """The direction in which the loss grows: -1, 0 or 1 for each value."""
    direction = tf.sign(input_gradient(model, images, labels))
    # A gradient that is no number gives no direction: the value stays.
    return tf.where(tf.math.is_nan(direction), 0.0, direction)


def _in_ball(
    found: tf.Tensor, images: tf.Tensor, epsilon: tf.Tensor
) -> tf.Tensor:
    """The nearest images that are allowed."""
    lowest = tf.maximum(images - epsilon, _LOWEST)
    highest = tf.minimum(images + epsilon, _HIGHEST)
    return tf.clip_by_value(found, lowest, highest)


def _uniform(shape: tf.TensorShape, rows: tf.Tensor, seed: int) -> tf.Tensor:
    """Draws numbers in [-1, 1) for each image: float32 (batch, *shape)."""

    def draw(row: tf.Tensor) -> tf.Tensor:
        pair = tf.stack([tf.constant(seed, tf.int64), row])
        return tf.random.stateless_uniform(shape, pair, -1, 1)

    return tf.map_fn(draw, rows, fn_output_signature=tf.float32)

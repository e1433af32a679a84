"""The equations of the losses, one pure function each.

They return one value per example, except for the weight decay.
`base.LossTerm` has the mean over examples, and the step (`training/loop.py`)
the scaling over replicas.
"""

from collections.abc import Iterable

import tensorflow as tf

# Names of the variables of batch norm.
NOT_DECAYED = ("gamma", "beta")


def cross_entropy(probabilities: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """-sum_k p_k log softmax(z)_k; the gradient flows into `logits` only.

    Args:
        probabilities: float32 (batch, classes), the targets.
        logits: float32 (batch, classes).

    Returns:
        float32 (batch,), in nats.
    """
    return tf.nn.softmax_cross_entropy_with_logits(
        tf.stop_gradient(probabilities), logits
    )


def mean_squared_difference(
    probabilities: tf.Tensor, targets: tf.Tensor
) -> tf.Tensor:
    """1/C sum_k (p_k - q_k)^2 (arXiv 1610.02242, algorithm 1).

    The gradient flows into both; stop it where `targets` should get none.

    Args:
        probabilities: float32 (batch, classes).
        targets: float32 (batch, classes).

    Returns:
        float32 (batch,), in [0, 2/classes].
    """
    return tf.reduce_mean(
        tf.math.squared_difference(probabilities, targets), axis=-1
    )


def smooth_one_hot(
    labels: tf.Tensor, num_classes: int, label_smoothing: float
) -> tf.Tensor:
    """One-hot targets mixed with the uniform distribution.

    (1 - s) one_hot + s / classes (arXiv 1512.00567, section 7).

    Args:
        labels: int (batch,), 0-based.
        num_classes: number of classes.
        label_smoothing: s, in [0, 1); 0 gives one-hot targets.

    Returns:
        float32 (batch, num_classes).
    """
    one_hot = tf.one_hot(labels, num_classes, dtype=tf.float32)
    return one_hot * (1 - label_smoothing) + label_smoothing / num_classes


def sharpen(probabilities: tf.Tensor, temperature: float) -> tf.Tensor:
    """p^(1/T) renormalised: softmax(z / T) from p = softmax(z).

    Args:
        probabilities: float32 (batch, classes), such as a teacher's.
        temperature: T, above 0; the lower, the sharper the result.

    Returns:
        float32 (batch, classes).
    """
    # Powers would underflow at low temperatures; logarithms do not.
    return tf.nn.softmax(tf.math.log(probabilities) / temperature)


def weight_decay(variables: Iterable) -> tf.Tensor:
    """Returns the sum of v^2 / 2 over all but batch norm's gamma and beta.

    Biases of squeeze-and-excitation and of the classifier are included, as in
    the original.

    Args:
        variables: trainable variables of a Keras model.

    Returns:
        float32 ().
    """
    decayed = [v for v in variables if v.name not in NOT_DECAYED]
    return tf.add_n([tf.nn.l2_loss(tf.convert_to_tensor(v)) for v in decayed])

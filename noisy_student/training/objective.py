"""What a step makes small: the terms of the method's loss, and weight decay."""

import tensorflow as tf

from noisy_student.methods import base, losses

Metrics = dict[str, tf.Tensor]


def total_loss(
    result: base.Losses, variables: list, weight_decay: float
) -> tuple[tf.Tensor, Metrics]:
    """Sums the terms of the loss of one replica.

    Args:
        result: what the method computed from the batch.
        variables: trainable variables, for the weight decay.
        weight_decay: factor of the sum of v^2 / 2.

    Returns:
        The loss, float32 (), and the metrics: the method's, each term's mean,
        `train/data_loss` (without weight decay) and `train/loss`.
    """
    means = {name: term.mean() for name, term in result.terms.items()}
    data_loss = tf.add_n(
        [term.factor * means[name] for name, term in result.terms.items()]
    )
    loss = data_loss + weight_decay * losses.weight_decay(variables)
    totals = {"train/data_loss": data_loss, "train/loss": loss}
    return loss, result.metrics | means | totals

"""The model's noise: dropout and stochastic depth; noised predictions.

The masks differ between replicas; those of Keras' layers do not.
"""

import keras
import tensorflow as tf

_PACKAGE = "noisy_student"
# Named, because XLA's own choice is another one than TensorFlow's.
_ALGORITHM = "philox"


@keras.saving.register_keras_serializable(_PACKAGE)
class Dropout(keras.layers.Dropout):
    """Keras' dropout with a different mask on every replica.

    Keras' layer draws from a mirrored seed, so that all replicas drop the same
    units. Here the replica's number is part of the seed.
    """

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        if not training or self.rate == 0:
            return inputs
        replica = tf.distribute.get_replica_context()
        seed = tf.random.experimental.stateless_fold_in(
            tf.cast(self.seed_generator.next(), tf.int32),
            replica.replica_id_in_sync_group if replica else 0,
            alg=_ALGORITHM,
        )
        drawn = _uniform(self._mask_shape(inputs), seed)
        scaled = inputs * tf.cast(1 / (1 - self.rate), inputs.dtype)
        return tf.where(drawn >= self.rate, scaled, tf.zeros_like(inputs))

    def _mask_shape(self, inputs: tf.Tensor):
        """The shape of the mask; one draw for each feature here."""
        return tf.shape(inputs)


@keras.saving.register_keras_serializable(_PACKAGE)
class StochasticDepth(Dropout):
    """Drops the whole residual of an example (arXiv 1603.09382).

    Precedes the addition of the skip. A residual survives with probability
    1 - rate and is then divided by 1 - rate, which keeps its expectation, so
    that inference needs no change.

    Args:
        rate: probability of dropping, in [0, 1).
    """

    def _mask_shape(self, inputs: tf.Tensor):
        """One draw for each example."""
        return [tf.shape(inputs)[0]] + [1] * (inputs.shape.rank - 1)


def _uniform(shape: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Draws from [0, 1), float32, the same in a compiled step and outside.

    XLA makes integers of a seed as TensorFlow does, but other fractions.
    """
    bits = tf.random.stateless_uniform(
        shape, seed, None, None, tf.int32, alg=_ALGORITHM
    )
    mantissa = tf.bitwise.bitwise_and(bits, 2**23 - 1)
    return tf.cast(mantissa, tf.float32) * 2.0**-23


def random_states(model: keras.Model) -> list[keras.Variable]:
    """Returns the states of dropout's random seeds, which are no weights."""
    weights = {id(weight) for weight in model.weights}
    return [v for v in model.variables if id(v) not in weights]


def call_as_teacher(model: keras.Model, images: tf.Tensor) -> tf.Tensor:
    """Predicts with the model's noise; the moving statistics do not change.

    As in training, dropout and stochastic depth are on and norms, unless they
    are frozen, use the batch's statistics. This is for an averaged model, whose
    moving statistics are averages of the student's and not of its own batches.

    Args:
        model: a model made by `build_model`.
        images: RGB in [0, 255], uint8 or float (batch, side, side, 3).

    Returns:
        Logits, float32 (batch, classes).
    """
    with keras.StatelessScope() as scope:
        logits = model(images, training=True)
    for state in random_states(model):
        drawn = scope.get_current_value(state)
        if drawn is not None:  # a rate of 0 draws nothing
            state.assign(drawn)
    return logits

"""The model's noise: dropout and stochastic depth.

Their masks differ between replicas; those of Keras' layers do not.
"""

import keras
import tensorflow as tf

_PACKAGE = "noisy_student"


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
        )
        return tf.nn.experimental.stateless_dropout(
            inputs,
            rate=self.rate,
            seed=seed,
            noise_shape=self._mask_shape(inputs),
        )

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

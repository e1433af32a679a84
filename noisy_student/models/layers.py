"""The layers that EfficientNet needs and Keras does not have.

Batch norm on TensorFlow's fused op, and dropout whose masks differ between
replicas. Everything else of the network is stock Keras.
"""

import keras
import tensorflow as tf

_PACKAGE = "noisy_student"


@keras.saving.register_keras_serializable(_PACKAGE)
class BatchNormalization(keras.layers.Layer):
    """Batch normalisation over the last axis, on TensorFlow's fused op.

    Same variables and mathematics as `keras.layers.BatchNormalization`,
    which builds the op from elementwise pieces and makes the whole training
    step of a B0 nearly twice as slow on a CPU at 32 px.

    Args:
        momentum: weight of the old value in the moving statistics, [0, 1).
        epsilon: added to the variance.

    Call arguments:
        inputs: float (batch, height, width, channels).
        training: normalise with the batch's statistics and move the moving
            ones, which are fed the *biased* variance, as the original's are.
    """

    def __init__(
        self, momentum: float = 0.99, epsilon: float = 1e-3, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        self.momentum = momentum
        self.epsilon = epsilon

    def build(self, input_shape) -> None:
        shape = (input_shape[-1],)
        self.gamma = self.add_weight(
            name="gamma", shape=shape, initializer="ones"
        )
        self.beta = self.add_weight(
            name="beta", shape=shape, initializer="zeros"
        )
        # Each replica moves its own copy; their mean is what all keep.
        self.moving_mean = self.add_weight(
            name="moving_mean",
            shape=shape,
            initializer="zeros",
            trainable=False,
            aggregation="mean",
        )
        self.moving_variance = self.add_weight(
            name="moving_variance",
            shape=shape,
            initializer="ones",
            trainable=False,
            aggregation="mean",
        )

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        if not training:
            return self._normalize(
                inputs,
                mean=tf.convert_to_tensor(self.moving_mean),
                variance=tf.convert_to_tensor(self.moving_variance),
                is_training=False,
            )[0]
        outputs, mean, variance = self._normalize(inputs, is_training=True)
        # The fused op returns the unbiased variance.
        count = tf.cast(tf.size(inputs) // tf.shape(inputs)[-1], tf.float32)
        variance *= (count - 1) / count
        self._move(self.moving_mean, mean)
        self._move(self.moving_variance, variance)
        return outputs

    def _normalize(self, inputs, **statistics):
        return tf.compat.v1.nn.fused_batch_norm(
            inputs,
            scale=tf.convert_to_tensor(self.gamma),
            offset=tf.convert_to_tensor(self.beta),
            epsilon=self.epsilon,
            **statistics,
        )

    def _move(self, variable, value: tf.Tensor) -> None:
        old = tf.convert_to_tensor(variable)
        variable.assign(old - (1 - self.momentum) * (old - value))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self) -> dict:
        return super().get_config() | {
            "momentum": self.momentum,
            "epsilon": self.epsilon,
        }


@keras.saving.register_keras_serializable(_PACKAGE)
class Dropout(keras.layers.Dropout):
    """Keras' dropout, with a mask of its own on every replica.

    Keras' layer draws from a seed that is mirrored, so that all replicas
    would drop the same units. The replica's number goes into the seed here.
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
        """The shape of the mask: all of `inputs` here."""
        return tf.shape(inputs)


@keras.saving.register_keras_serializable(_PACKAGE)
class StochasticDepth(Dropout):
    """Drops the whole residual of an example (arXiv 1603.09382).

    Goes before the addition of the skip. A residual survives with
    probability 1 - rate and is then divided by 1 - rate, so that its
    expectation is kept and inference needs no change.

    Args:
        rate: probability of dropping, in [0, 1).
    """

    def _mask_shape(self, inputs: tf.Tensor):
        """One draw for each example."""
        return [tf.shape(inputs)[0]] + [1] * (inputs.shape.rank - 1)

"""The optimizer: TensorFlow 1's RMSProp, on Keras'."""

import keras

from noisy_student.training import schedules


class RMSprop(keras.optimizers.RMSprop):
    """RMSProp with momentum whose mean square starts at 1, as TF1's did.

    ms = 0.9 ms + 0.1 g^2; m = 0.9 m + lr g / sqrt(ms + 0.001); v = v - m.
    Keras starts ms at 0, which makes the first steps up to three times as
    long.
    """

    def build(self, variables) -> None:
        was_built = self.built
        super().build(variables)
        if not was_built:
            for mean_square in self._velocities:
                mean_square.assign(keras.ops.ones_like(mean_square))


def rmsprop(learning_rate: schedules.WarmupStaircase) -> RMSprop:
    """The optimizer of the paper (EfficientNet's settings)."""
    return RMSprop(learning_rate, rho=0.9, momentum=0.9, epsilon=1e-3)

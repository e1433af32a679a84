"""TensorFlow 1's RMSProp, Adam with a falling beta1, AdamW and SGD."""

from typing import TypeAlias

import keras
import tensorflow as tf

from noisy_student.config import TrainConfig
from noisy_student.methods import losses, ramps
from noisy_student.models import ops

LearningRate: TypeAlias = (
    keras.optimizers.schedules.LearningRateSchedule | float
)


class Guarded(keras.optimizers.Optimizer):
    """An optimizer that changes nothing if the last gradient is NaN.

    Variables, and what is kept for them, stay as they are to the bit; only
    the counter goes on. The old values are selected on the device: a condition
    would wait for the host. All replicas have the same gradients, their sum,
    so that they select alike.
    """

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        is_finite = tf.math.is_finite(tf.reduce_sum(grads[-1]))
        # In the learning rate it reaches each device's updates.
        rate = tf.where(is_finite, learning_rate, float("nan"))
        super()._backend_update_step(grads, trainable_variables, rate)

    def _all_reduce_sum_gradients(self, grads_and_vars):
        return grads_and_vars

    # Variables by their place, and the factor of their learning rate.
    _scaled: frozenset[int] = frozenset()
    _factor = 1.0

    def scale_rates(self, variables: list, factor: float) -> None:
        """Multiplies the learning rate of some variables by a factor.

        Args:
            variables: of those that the optimizer was built for.
            factor: above 0.
        """
        self._scaled = frozenset(map(self._get_variable_index, variables))
        self._factor = factor

    def rate_of(self, variable, learning_rate):
        """Returns the learning rate of a variable."""
        scaled = self._get_variable_index(variable) in self._scaled
        return learning_rate * self._factor if scaled else learning_rate

    def update_step(self, gradient, variable, learning_rate) -> None:
        self._is_finite = tf.math.is_finite(learning_rate)
        rate = self.rate_of(variable, learning_rate)
        super().update_step(gradient, variable, rate)

    def assign(self, variable, value) -> None:
        old = tf.convert_to_tensor(variable)
        super().assign(variable, ops.select(self._is_finite, value, old))

    def assign_add(self, variable, value) -> None:
        self.assign(variable, tf.convert_to_tensor(variable) + value)

    def assign_sub(self, variable, value) -> None:
        self.assign(variable, tf.convert_to_tensor(variable) - value)


class RMSprop(Guarded, keras.optimizers.RMSprop):
    """RMSProp with momentum whose mean square starts at 1, as TF1's did.

    ms = 0.9 ms + 0.1 g^2; m = 0.9 m + lr g / sqrt(ms + 0.001); v = v - m:
    the optimizer of the paper, with EfficientNet's settings. Keras starts ms
    at 0, which makes the first steps up to three times as long.

    Args:
        learning_rate: a schedule or a number.
    """

    def __init__(self, learning_rate: LearningRate) -> None:
        super().__init__(learning_rate, rho=0.9, momentum=0.9, epsilon=1e-3)

    def build(self, variables) -> None:
        was_built = self.built
        super().build(variables)
        if not was_built:
            for mean_square in self._velocities:
                mean_square.assign(keras.ops.ones_like(mean_square))


class Adam(Guarded, keras.optimizers.Adam):
    """Adam whose beta1 falls with the learning rate's ramp-down.

    beta1 = d first + (1 - d) last, where d = exp(-12.5 T^2) is the ramp-down
    (arXiv 1610.02242, appendix A). Epsilon is 1e-8.

    Args:
        learning_rate: a schedule or a number.
        first: beta1 before the ramp-down, in [0, 1).
        last: beta1 at the end of the ramp-down, in [0, 1).
        ramp: has the ramp-down.
        beta_2: decay of the mean square, in [0, 1).
    """

    def __init__(
        self,
        learning_rate: LearningRate,
        first: float,
        last: float,
        ramp: ramps.Ramps,
        beta_2: float = 0.999,
    ) -> None:
        super().__init__(learning_rate, beta_2=beta_2, epsilon=1e-8)
        self._first, self._last, self._ramp = first, last, ramp

    @property
    def beta_1(self) -> tf.Tensor:
        """beta1 of the current step, float32 ()."""
        down = self._ramp.down(self.iterations)
        return down * self._first + (1 - down) * self._last

    @beta_1.setter
    def beta_1(self, value: float) -> None:
        """Ignores the constant that Keras sets."""


class AdamW(Guarded, keras.optimizers.Adam):
    """Adam with decoupled weight decay: v = v - lr (decay v + adam's step).

    arXiv 1711.05101, algorithm 2. Batch norm's gamma and beta do not decay,
    as in `losses.weight_decay`. Epsilon is 1e-8.

    Args:
        learning_rate: a schedule or a number.
        decay: the weight decay, at least 0.
        beta_1, beta_2: decay of the mean gradient and of the mean square.
    """

    def __init__(
        self,
        learning_rate: LearningRate,
        decay: float,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon=1e-8)
        self._decay = decay

    def update_step(self, gradient, variable, learning_rate) -> None:
        old = tf.convert_to_tensor(variable)
        super().update_step(gradient, variable, learning_rate)
        # Here variables may be of one device, without their name.
        place = self._get_variable_index(variable)
        if self._trainable_variables[place].name not in losses.NOT_DECAYED:
            rate = self.rate_of(variable, learning_rate)
            self.assign_sub(
                variable, tf.cast(rate * self._decay, old.dtype) * old
            )


class SGD(Guarded, keras.optimizers.SGD):
    """SGD with Nesterov's momentum 0.9.

    Args:
        learning_rate: a schedule or a number.
    """

    def __init__(self, learning_rate: LearningRate) -> None:
        super().__init__(learning_rate, momentum=0.9, nesterov=True)


def make_optimizer(
    train: TrainConfig, num_labeled: int, learning_rate: LearningRate
) -> Guarded:
    """Returns the optimizer of a run.

    Args:
        train: settings of the optimisation.
        num_labeled: number of labelled images, which make an epoch.
        learning_rate: the schedule.

    Raises:
        ValueError: a ramp is longer than the training.
    """
    if train.optimizer == "sgd":
        return SGD(learning_rate)
    if train.optimizer == "adam":
        return Adam(
            learning_rate,
            train.adam_beta1,
            train.adam_final_beta1,
            ramps.Ramps.from_config(train, num_labeled),
            train.adam_beta2,
        )
    if train.optimizer == "adamw":
        return AdamW(
            learning_rate,
            train.weight_decay,
            train.adam_beta1,
            train.adam_beta2,
        )
    return RMSprop(learning_rate)

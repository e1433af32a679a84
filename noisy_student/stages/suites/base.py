"""What a suite of `--mode=robustness` is, and the images that they disturb."""

import abc
from collections.abc import Sequence
from typing import Any

import keras

from noisy_student.config.robustness import RobustnessConfig
from noisy_student.data import limits, sources
from noisy_student.stages.experiment import Experiment


class Suite(abc.ABC):
    """One kind of measurement, made alike of every model.

    Attributes:
        name: What `suites` calls it.
    """

    name: str

    @abc.abstractmethod
    def __init__(
        self, experiment: Experiment, settings: RobustnessConfig
    ) -> None:
        """Keeps what it needs; opens and computes nothing."""

    @abc.abstractmethod
    def validate(self, models: Sequence[keras.Model]) -> None:
        """Checks all that can be wrong, before anything expensive.

        Args:
            models: From float images, (batch, side, side, 3) in [0, 255], to
                logits; their input shape is (None, side, side, 3).

        Raises:
            ValueError: what is wrong, where, and what to do about it.
        """

    @abc.abstractmethod
    def measure(self, model: keras.Model, description: str) -> dict[str, Any]:
        """Measures one model; every worker calls it in the strategy's scope.

        Args:
            model: See `validate`.
            description: What progress bars say of it.

        Returns:
            Raw results, as JSON can hold them; the same on every worker.
        """

    @abc.abstractmethod
    def summary(
        self, results: dict[str, Any], baseline: dict[str, Any] | None
    ) -> dict[str, float]:
        """Computes scores with names.

        Args:
            results: What `measure` returned of a model.
            baseline: The same of the model that is the unit; None if there is
                none.
        """


def test_images(
    experiment: Experiment, settings: RobustnessConfig
) -> sources.ImageSource:
    """Returns the test images that suites disturb.

    Raises:
        ValueError: there are fewer than `num_robustness_images`.
    """
    return limits.first_images(
        experiment.data.test,
        settings.num_robustness_images,
        "num_robustness_images",
    )

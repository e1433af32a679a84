"""What a suite of `--mode=robustness` is, and its test images."""

import abc
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from noisy_student.config.robustness import RobustnessConfig
from noisy_student.data import limits, sources
from noisy_student.stages.experiment import Experiment


class Suite(abc.ABC):
    """One kind of robustness, measured on any number of models.

    A model takes float images (batch, side, side, 3) in [0, 255], has the
    input shape (None, side, side, 3), and returns logits.

    Attributes:
        name: Its name in `--suites`.
        depends_on: The settings of `RobustnessConfig` that choose what it
            measures.
    """

    name: str
    depends_on: tuple[str, ...]

    @abc.abstractmethod
    def __init__(
        self, experiment: Experiment, settings: RobustnessConfig
    ) -> None:
        """Takes what the suite works with; opens nothing yet."""

    @abc.abstractmethod
    def validate(self) -> None:
        """Checks all that can be wrong, before anything expensive.

        Raises:
            ValueError: What is wrong, where, and what to do about it.
        """

    def check_model(self, model: keras.Model) -> None:
        """Refuses a model that cannot be measured, after `validate`.

        Raises:
            ValueError: See `validate`.
        """
        del model  # most suites take any

    @abc.abstractmethod
    def images(self) -> dict[str, Any]:
        """Tells which images are measured, after `validate`, for JSON."""

    @abc.abstractmethod
    def measure(self, model: keras.Model, description: str) -> dict[str, Any]:
        """Measures a model, in the strategy's scope; all workers do it alike.

        Args:
            model: The model.
            description: Of the progress bars.

        Returns:
            Raw results that JSON can hold.
        """

    def published_unit(self, results: dict[str, Any]) -> dict[str, Any] | None:
        """Returns AlexNet's results on the same images, where published."""
        del results  # of most suites nothing is published
        return None

    @abc.abstractmethod
    def summary(
        self, results: dict[str, Any], unit: dict[str, Any] | None
    ) -> dict[str, float]:
        """Computes scores.

        Args:
            results: What `measure` returned.
            unit: What it returned for the baseline, or `published_unit`;
                None where neither is known.

        Returns:
            The scores by name.
        """


def test_images(
    experiment: Experiment, settings: RobustnessConfig
) -> sources.ImageSource:
    """Returns the test images that are measured, evenly spread over all.

    Raises:
        ValueError: There are not `num_robustness_images`.
    """
    return limits.spread_images(
        experiment.data.test,
        settings.num_robustness_images,
        "num_robustness_images",
    )


def mean_of_types(
    name: str, values: Sequence[float], number: int
) -> dict[str, float]:
    """Names the mean over types; over fewer than all, it says how many.

    Args:
        name: Of the mean over all types.
        values: Of the types that were measured, with a unit to compare with.
        number: Number of all types.

    Returns:
        One score; none without values.
    """
    if not values:
        return {}
    rest = "" if len(values) == number else f"_of_{len(values)}_types"
    return {f"{name}{rest}": float(np.mean(values))}

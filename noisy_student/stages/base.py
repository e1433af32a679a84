"""What a stage is: a part of an experiment that a script runs by itself."""

import abc

from noisy_student.config import ExperimentConfig


class Stage(abc.ABC):
    """Work that is validated first and then done.

    Args:
        config: The settings; where a model is trained, with the defaults of
            the method filled in.
    """

    def __init__(self, config: ExperimentConfig) -> None:
        self.config = config

    @abc.abstractmethod
    def validate(self) -> None:
        """Opens images and devices, and checks all that can be wrong.

        It costs little, and touches nothing where something is wrong.

        Raises:
            ValueError: what is wrong, where, and what to do about it.
        """

    @abc.abstractmethod
    def run(self) -> None:
        """Does the work and prints its outcome; `validate` has passed."""

"""The suite adversarial: accuracy under FGSM and PGD."""

import functools
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from noisy_student.config.robustness import RobustnessConfig
from noisy_student.evaluation import attacks
from noisy_student.evaluation.under_attack import AccuracyUnderAttack
from noisy_student.stages.experiment import Experiment
from noisy_student.stages.suites import base


class Adversarial(base.Suite):
    """Attacks each model itself, with its own gradients.

    A gradient needs about the memory of training on `eval_batch_size` images.
    """

    name = "adversarial"
    depends_on = (
        "num_robustness_images",
        "attacks",
        "epsilons",
        "pgd_steps",
        "pgd_step_size",
    )

    def __init__(
        self, experiment: Experiment, settings: RobustnessConfig
    ) -> None:
        self._experiment = experiment
        self._settings = settings
        # Ascending, and from the accuracy on the images as they are.
        self._epsilons = tuple(sorted({0.0, *map(float, settings.epsilons)}))
        known: dict[str, attacks.Attack] = {
            "fgsm": attacks.FGSM(),
            "pgd": attacks.PGD(
                settings.pgd_steps,
                settings.pgd_step_size,
                experiment.config.seed,
            ),
        }
        self._attacks = {name: known[name] for name in settings.attacks}

    def validate(self) -> None:
        """See `Suite`; opens the images."""
        if not self._attacks:
            raise ValueError("attacks must name at least one, such as pgd.")
        self._images = base.test_images(self._experiment, self._settings)

    def check_model(self, model: keras.Model) -> None:
        """Refuses a model without gradients."""
        image = np.zeros([1, *model.input_shape[1:]], np.float32)
        label = tf.constant([0], tf.int64)
        attacks.input_gradient(model, tf.constant(image), label)

    def images(self) -> dict[str, Any]:
        """See `Suite`."""
        return {"num_images": self._images.num_images}

    def measure(self, model: keras.Model, description: str) -> dict[str, Any]:
        """See `Suite`.

        Returns:
            `num_images`, `epsilons` (ascending from 0, in units of 1/255) and
            `accuracies`: for each attack a list, one in [0, 1] for each
            epsilon.
        """
        side = model.input_shape[1]
        evaluator = AccuracyUnderAttack(
            functools.partial(self._experiment.images_once, self._images, side),
            self._images.num_images,
            description,
            shown=self._experiment.devices.is_chief,
            attacks=self._attacks,
            epsilons=self._epsilons,
        )
        return {
            "num_images": self._images.num_images,
            "epsilons": list(self._epsilons),
            "accuracies": evaluator.accuracies(model),
        }

    def summary(
        self, results: dict[str, Any], unit: dict[str, Any] | None
    ) -> dict[str, float]:
        """Names the accuracies `pgd_4_accuracy` and so on; needs no unit."""
        del unit
        return {
            f"{attack}_{epsilon:g}_accuracy": accuracy
            for attack, found in results["accuracies"].items()
            for epsilon, accuracy in zip(
                results["epsilons"], found, strict=True
            )
            if epsilon > 0
        } | {"clean_accuracy": next(iter(results["accuracies"].values()))[0]}

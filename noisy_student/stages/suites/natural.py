"""The suite natural: accuracy on other test sets of the same classes."""

import functools
from typing import Any

import keras

from noisy_student.config.paths import to_path
from noisy_student.config.robustness import RobustnessConfig
from noisy_student.data import natural
from noisy_student.evaluation.accuracy import LimitedAccuracy
from noisy_student.stages.experiment import Experiment
from noisy_student.stages.suites import base


class Natural(base.Suite):
    """Evaluates on all images of each set of `natural_sets`."""

    name = "natural"
    depends_on = ("natural_sets", "natural_class_map")

    def __init__(
        self, experiment: Experiment, settings: RobustnessConfig
    ) -> None:
        self._experiment = experiment
        self._settings = settings

    def validate(self) -> None:
        """Opens the sets; those of tensorflow-datasets must be prepared."""
        settings, config = self._settings, self._experiment.config
        if not settings.natural_sets:
            raise ValueError(
                "natural_sets must name at least one test set for the suite "
                "natural, such as imagenet-a or a directory of class folders."
            )
        class_map = None
        if settings.natural_class_map is not None:
            path = to_path(settings.natural_class_map)
            class_map = natural.read_class_map(path)
        self._sets = {
            name: natural.open_set(
                name,
                self._experiment.data,
                config.data.tfds_data_dir,
                class_map,
            )
            for name in settings.natural_sets
        }

    def images(self) -> dict[str, Any]:
        """See `Suite`."""
        sizes = {
            name: found.source.num_images for name, found in self._sets.items()
        }
        return {"num_images": sizes}

    def measure(self, model: keras.Model, description: str) -> dict[str, Any]:
        """See `Suite`.

        Returns:
            For each set, by its name: `num_images`; `num_classes`, those that
            it has images of; `top_1_accuracy` and `top_5_accuracy`, in [0, 1];
            `limited_top_1_accuracy` and `limited_top_5_accuracy`, those of
            predictions among its classes alone; and `limited`, whether these
            are what others report.
        """
        return {
            name: self._measure_one(model, f"{description} {name}", found)
            for name, found in self._sets.items()
        }

    def _measure_one(
        self, model: keras.Model, description: str, found: natural.NaturalSet
    ) -> dict[str, Any]:
        side = model.input_shape[1]
        evaluator = LimitedAccuracy(
            functools.partial(self._experiment.images_once, found.source, side),
            found.source.num_images,
            description,
            shown=self._experiment.devices.is_chief,
            classes=found.classes,
        )
        return {
            **evaluator(model),
            "num_classes": len(found.classes),
            "limited": found.limited,
        }

    def summary(
        self, results: dict[str, Any], unit: dict[str, Any] | None
    ) -> dict[str, float]:
        """Names top-1 accuracies; needs no unit.

        Returns:
            For each set, `SET_accuracy`. A directory that lacks some classes
            also has `SET_limited_accuracy`, of predictions among its own: what
            is reported of ImageNet-A and -R, and their accuracy by name.
        """
        del unit
        scores = {}
        for name, found in results.items():
            limited = found["limited_top_1_accuracy"]
            if found["limited"]:
                scores[f"{name}_accuracy"] = limited
                continue
            scores[f"{name}_accuracy"] = found["top_1_accuracy"]
            if found["num_classes"] < self._experiment.data.task.num_classes:
                scores[f"{name}_limited_accuracy"] = limited
        return scores

"""The suite `corruptions`: errors on corrupted images, as on ImageNet-C."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from noisy_student.config.robustness import (
    CORRUPTIONS,
    SEVERITIES,
    RobustnessConfig,
)
from noisy_student.data import corrupted, limits
from noisy_student.data.corrupted import Condition
from noisy_student.data.passes import Batches
from noisy_student.data.sources import ImageSource
from noisy_student.disturbances import corruptions as making
from noisy_student.evaluation.corruptions import (
    GroupErrors,
    alexnet,
    corruption_errors,
)
from noisy_student.evaluation.disturbed import Disturbed, check_place
from noisy_student.processes import Workers
from noisy_student.stages.experiment import Experiment
from noisy_student.stages.suites import images
from noisy_student.stages.suites.base import (
    Suite,
    mean_of_types,
    test_images,
)


class Corruptions(Suite):
    """Top-1 errors by type and severity.

    Images are those of `corrupted_data_dir`; else those of tensorflow-datasets
    where they are prepared, and the test images are all of its test split;
    else they are made of the test images, at the side of the model.

    Results are `source` (where the images are from), `num_images` (of each
    type and severity), `severities`, and `errors`: by type, a share in [0, 1]
    for each severity.
    """

    name = "corruptions"
    depends_on = (
        "num_robustness_images",
        "corruption_types",
        "severities",
        "corrupted_data_dir",
    )

    def __init__(
        self, experiment: Experiment, settings: RobustnessConfig
    ) -> None:
        self._experiment = experiment
        self._settings = settings
        self._conditions = corrupted.conditions(
            settings.corruption_types, settings.severities
        )

    def validate(self) -> None:
        """See `Suite`; opens the images."""
        for name in ("corruption_types", "severities"):
            values = getattr(self._settings, name)
            if not values or len({*values}) < len(values):
                raise ValueError(
                    f"{name} must be one or more different ones; got "
                    f"{', '.join(map(str, values)) or 'none'}."
                )
        self._published = self._open_published()
        if self._published is None:
            check_place()
            self._tests = test_images(self._experiment, self._settings)
            making.check_installed()

    def _open_published(self) -> list[ImageSource] | None:
        """Opens corrupted images; None where they have to be made."""
        experiment, settings = self._experiment, self._settings
        directory = settings.corrupted_data_dir
        found: Sequence[ImageSource] | None = None
        if directory is not None:
            self._source = "corrupted_data_dir"
            found = corrupted.open_folders(
                directory,
                self._conditions,
                experiment.data.class_names,
                experiment.data.task.num_classes,
            )
        elif _is_whole_test_split(experiment):
            self._source = "tensorflow-datasets"
            found = corrupted.open_prepared(
                experiment.data.task.name,
                experiment.config.data.tfds_data_dir,
                self._conditions,
            )
        if found is None:
            self._source = "made"
            return None
        number, flag = settings.num_robustness_images, "num_robustness_images"
        return [limits.spread_images(each, number, flag) for each in found]

    def images(self) -> dict[str, Any]:
        """See `Suite`."""
        return {"source": self._source, "num_images": self._sizes[0]}

    @property
    def _sizes(self) -> list[int]:
        """The number of images of each type and severity."""
        if self._published is None:
            return [self._tests.num_images] * len(self._conditions)
        return [source.num_images for source in self._published]

    def measure(self, model: keras.Model, description: str) -> dict[str, Any]:
        """See `Suite`; `validate` has passed."""
        if self._published is None:
            errors = self._on_made(model, description)
        else:
            errors = self._on_published(model, description)
        by_type: dict[str, list[float]] = {}
        for (kind, _), error in zip(self._conditions, errors, strict=True):
            by_type.setdefault(kind, []).append(error)
        return {
            **self.images(),
            "severities": list(self._settings.severities),
            "errors": by_type,
        }

    def _on_published(
        self, model: keras.Model, description: str
    ) -> list[float]:
        assert self._published is not None  # the caller looked
        source = images.concatenated(self._published, self._source)

        def once(context: tf.distribute.InputContext) -> tf.data.Dataset:
            return self._experiment.images_once(
                source, model.input_shape[1], context, as_they_are=True
            )

        return self._evaluator(once, description).errors(model)

    def _on_made(self, model: keras.Model, description: str) -> list[float]:
        source = images.repeated(self._tests, len(self._conditions))

        def once(context: tf.distribute.InputContext) -> tf.data.Dataset:
            return self._experiment.images_once(
                source, model.input_shape[1], context
            )

        number = self._experiment.config.input_pipeline.num_parallel_calls
        with Workers(number) as workers:
            made = Disturbed(workers, making.corrupt_all, self._arguments)
            evaluator = self._evaluator(made.batches(once), description)
            with made.own_errors():
                return evaluator.errors(model)

    def _arguments(
        self, rows: np.ndarray
    ) -> tuple[list[str], list[int], list[int]]:
        """Returns type, severity and place in the test set of each image."""
        groups, places = np.divmod(rows, self._tests.num_images)
        chosen: list[Condition] = [self._conditions[group] for group in groups]
        kinds = [kind for kind, _ in chosen]
        return kinds, [severity for _, severity in chosen], places.tolist()

    def _evaluator(self, batches: Batches, description: str) -> GroupErrors:
        return GroupErrors(
            batches,
            sum(self._sizes),
            description,
            shown=self._experiment.devices.is_chief,
            group_sizes=self._sizes,
        )

    def published_unit(self, results: dict[str, Any]) -> dict[str, Any] | None:
        """See `Suite`; AlexNet saw the published images of ImageNet-C."""
        severities = sorted(results["severities"])
        if (
            results["source"] == "made"
            or severities != [*SEVERITIES]
            or not images.is_imagenet(self._experiment)
        ):
            return None
        return {"errors": alexnet(len(severities))}

    def summary(
        self, results: dict[str, Any], unit: dict[str, Any] | None
    ) -> dict[str, float]:
        """Computes means over the severities, and over the types.

        Args:
            results: See the class.
            unit: See `Suite`.

        Returns:
            `corrupted_error`, the mean of the errors on all of the 15 types
            that were measured, and `error_TYPE`, all in [0, 1]. With a
            unit also `corruption_error_TYPE`, in % of its errors, and
            their mean, `mean_corruption_error`, if all 15 are there; else it
            is called `mean_corruption_error_of_N_types`.
        """
        errors = results["errors"]
        means = {kind: float(np.mean(e)) for kind, e in errors.items()}
        counted = [kind for kind in means if kind in CORRUPTIONS] or list(means)
        scores = {
            "corrupted_error": float(np.mean([means[k] for k in counted])),
            **{f"error_{kind}": mean for kind, mean in means.items()},
        }
        if unit is None:
            return scores
        relative = corruption_errors(errors, unit["errors"])
        scores |= {f"corruption_error_{k}": e for k, e in relative.items()}
        of_mean = [e for k, e in relative.items() if k in CORRUPTIONS]
        return scores | mean_of_types(
            "mean_corruption_error", of_mean, len(CORRUPTIONS)
        )


def _is_whole_test_split(experiment: Experiment) -> bool:
    """Whether the test images are a whole split of tensorflow-datasets."""
    config, task = experiment.config.data, experiment.data.task
    limited = config.num_test_images, config.num_eval_images
    return (
        config.label_data_dir is None
        and config.test_split in (None, task.test_split)
        and limited == (None, None)
    )

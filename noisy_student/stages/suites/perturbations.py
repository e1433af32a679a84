"""The suite `perturbations`: flips from frame to frame, as on ImageNet-P."""

import itertools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from noisy_student.config.robustness import PERTURBATIONS, RobustnessConfig
from noisy_student.data import frame_folders
from noisy_student.data.frame_folders import FrameFolders
from noisy_student.data.passes import Batches
from noisy_student.disturbances import frames as making
from noisy_student.evaluation.disturbed import Disturbed, check_place
from noisy_student.evaluation.perturbations import (
    ALEXNET_FLIPS,
    NOISE,
    Flips,
    flip_rates,
)
from noisy_student.processes import Workers
from noisy_student.stages.experiment import Experiment
from noisy_student.stages.suites import images
from noisy_student.stages.suites.base import (
    Suite,
    mean_of_types,
    test_images,
)

_FOLDERS = "perturbed_data_dir"


class Perturbations(Suite):
    """Flip probabilities by type of perturbation.

    Frames are those of `perturbed_data_dir`, or else made of the test images,
    at the side of the model.

    Results are `source` (where the frames are from), and by type `num_images`
    (sequences), `num_frames` (of each), and `flip_probabilities`, in [0, 1].
    """

    name = "perturbations"
    depends_on = (
        "num_robustness_images",
        "perturbation_types",
        "perturbed_data_dir",
        "num_frames",
    )

    def __init__(
        self, experiment: Experiment, settings: RobustnessConfig
    ) -> None:
        self._experiment = experiment
        self._settings = settings

    def validate(self) -> None:
        """See `Suite`; opens the images."""
        settings, kinds = self._settings, self._settings.perturbation_types
        if not kinds or len({*kinds}) < len(kinds):
            raise ValueError(
                "perturbation_types must be one or more different ones; got "
                f"{', '.join(kinds) or 'none'}."
            )
        self._published: list[FrameFolders] = []
        if settings.perturbed_data_dir is None:
            check_place()
            self._tests = test_images(self._experiment, settings)
            return
        found = frame_folders.open_folders(settings.perturbed_data_dir, kinds)
        number = settings.num_robustness_images
        self._published = [each.some(number) for each in found]

    def images(self) -> dict[str, Any]:
        """See `Suite`."""
        if not self._published:
            return {"source": "made", "num_images": self._tests.num_images}
        sizes = {each.kind: len(each.paths) for each in self._published}
        return {"source": _FOLDERS, "num_images": sizes}

    def measure(self, model: keras.Model, description: str) -> dict[str, Any]:
        """See `Suite`; `validate` has passed."""
        if not self._published:
            return self._on_made(model, description)
        results: dict[str, Any] = {"source": _FOLDERS}
        for name in ("num_images", "num_frames", "flip_probabilities"):
            results[name] = {}
        # Types whose sequences are equally long are measured together.
        by_length = itertools.groupby(
            sorted(self._published, key=_length), _length
        )
        for number, group in by_length:
            types = list(group)
            found = self._on_published(model, types, number, description)
            for each, value in zip(types, found, strict=True):
                results["num_images"][each.kind] = len(each.paths)
                results["num_frames"][each.kind] = number
                results["flip_probabilities"][each.kind] = value
        return results

    def _on_published(
        self,
        model: keras.Model,
        types: list[FrameFolders],
        num_frames: int,
        description: str,
    ) -> list[float]:
        source = frame_folders.frames_of(types)

        def once(context: tf.distribute.InputContext) -> tf.data.Dataset:
            return images.sequences_once(
                self._experiment,
                source,
                num_frames,
                model.input_shape[1],
                context,
                self._sequences(context, num_frames),
            )

        kinds = [each.kind for each in types]
        sizes = [len(each.paths) for each in types]
        evaluator = self._evaluator(once, kinds, sizes, description)
        return evaluator.probabilities(model)

    def _on_made(self, model: keras.Model, description: str) -> dict[str, Any]:
        kinds = self._settings.perturbation_types
        num_frames = self._settings.num_frames
        each = self._tests.num_images
        source = images.repeated(self._tests, len(kinds))

        def arguments(rows: np.ndarray) -> tuple[list[str], int, list[int]]:
            groups, places = np.divmod(rows, each)
            chosen = [kinds[group] for group in groups]
            return chosen, num_frames, places.tolist()

        def once(context: tf.distribute.InputContext) -> tf.data.Dataset:
            return self._experiment.images_once(
                source,
                model.input_shape[1],
                context,
                self._sequences(context, num_frames),
            )

        number = self._experiment.config.input_pipeline.num_parallel_calls
        with Workers(number) as workers:
            made = Disturbed(workers, making.make_all, arguments, num_frames)
            evaluator = self._evaluator(
                made.batches(once), kinds, [each] * len(kinds), description
            )
            with made.own_errors():
                found = evaluator.probabilities(model)
        return {
            "source": "made",
            "num_images": dict.fromkeys(kinds, each),
            "num_frames": dict.fromkeys(kinds, num_frames),
            "flip_probabilities": dict(zip(kinds, found, strict=True)),
        }

    def _sequences(
        self, context: tf.distribute.InputContext, num_frames: int
    ) -> int:
        """Returns how many whole sequences come to a batch of a replica."""
        batch_size = self._experiment.config.run.eval_batch_size
        frames = context.get_per_replica_batch_size(batch_size)
        return max(1, frames // num_frames)

    def _evaluator(
        self,
        batches: Batches,
        kinds: Sequence[str],
        sizes: list[int],
        description: str,
    ) -> Flips:
        replicas = self._experiment.devices.strategy.num_replicas_in_sync
        return Flips(
            batches,
            sum(sizes),
            description,
            shown=self._experiment.devices.is_chief,
            group_sizes=sizes,
            noise=[kind in NOISE for kind in kinds],
            largest_batch=self._experiment.config.run.eval_batch_size
            // replicas,
        )

    def published_unit(self, results: dict[str, Any]) -> dict[str, Any] | None:
        """See `Suite`; AlexNet saw the published frames of ImageNet-P."""
        published = results["source"] == _FOLDERS
        if not published or not images.is_imagenet(self._experiment):
            return None
        return {"flip_probabilities": dict(ALEXNET_FLIPS)}

    def summary(
        self, results: dict[str, Any], unit: dict[str, Any] | None
    ) -> dict[str, float]:
        """Computes means over the types.

        Args:
            results: See the class.
            unit: See `Suite`.

        Returns:
            `mean_flip_probability` and `flip_probability_TYPE`, in [0, 1].
            With a unit also `flip_rate_TYPE`, in % of its probabilities, and
            their mean, `mean_flip_rate`, if all ten types are there; else it
            is called `mean_flip_rate_of_N_types`.
        """
        flips = results["flip_probabilities"]
        scores = {
            "mean_flip_probability": float(np.mean(list(flips.values()))),
            **{f"flip_probability_{kind}": p for kind, p in flips.items()},
        }
        if unit is None:
            return scores
        rates = flip_rates(flips, unit["flip_probabilities"])
        scores |= {f"flip_rate_{kind}": rate for kind, rate in rates.items()}
        return scores | mean_of_types(
            "mean_flip_rate", [*rates.values()], len(PERTURBATIONS)
        )


def _length(sequences: FrameFolders) -> int:
    return sequences.paths.shape[1]

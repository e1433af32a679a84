"""Errors on corrupted images, and the mean corruption error.

Hendrycks and Dietterich, arXiv 1903.12261, section 4.1.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import keras
import numpy as np
import tensorflow as tf

from noisy_student.evaluation import base

# Means of AlexNet's top-1 errors over the five severities of ImageNet-C, with
# more digits than appendix D has.
ALEXNET_ERRORS: Mapping[str, float] = MappingProxyType(
    {
        "gaussian_noise": 0.886428,
        "shot_noise": 0.894468,
        "impulse_noise": 0.922640,
        "defocus_blur": 0.819880,
        "glass_blur": 0.826268,
        "motion_blur": 0.785948,
        "zoom_blur": 0.798360,
        "snow": 0.866816,
        "frost": 0.826572,
        "fog": 0.819324,
        "brightness": 0.564592,
        "contrast": 0.853204,
        "elastic_transform": 0.646056,
        "pixelate": 0.717840,
        "jpeg_compression": 0.606500,
    }
)


def corruption_errors(
    errors: Mapping[str, Sequence[float]],
    baseline: Mapping[str, Sequence[float]],
) -> dict[str, float]:
    """Returns a model's errors in units of a baseline's.

    For each type, the errors are summed over the severities, and divided by
    the baseline's sum: CE of section 4.1.

    Args:
        errors: Top-1 errors in [0, 1] for each severity, by type.
        baseline: The baseline's, at the same severities. Types that it does
            not have, and those without an error of its own, are left out.

    Returns:
        Corruption errors in % by type, at least 0; 100 is the baseline's.
    """
    sums = {kind: sum(values) for kind, values in baseline.items()}
    return {
        kind: 100 * sum(values) / sums[kind]
        for kind, values in errors.items()
        if sums.get(kind)
    }


def alexnet(num_severities: int) -> dict[str, list[float]]:
    """Returns AlexNet's errors as `corruption_errors` takes a baseline.

    Args:
        num_severities: 5, since only means over all severities are known.
    """
    return {
        kind: [error] * num_severities for kind, error in ALEXNET_ERRORS.items()
    }


@dataclasses.dataclass(eq=False)
class GroupErrors(base.Evaluator):
    """The share of wrong predictions in each group of images.

    Images come group by group. Batches also have `row`, int64 (batch,), an
    image's place among those of all groups.

    Attributes:
        group_sizes: The number of images of each group, at least 1; together
            they are `num_images`.
    """

    group_sizes: Sequence[int] = dataclasses.field(kw_only=True)

    def errors(self, model: keras.Model) -> list[float]:
        """Returns the error on each group, in [0, 1]; see `__call__`."""
        wrong = self.measure(model)["wrong"]
        return [float(error) for error in wrong / np.array(self.group_sizes)]

    def sums(
        self, model: keras.Model, batch: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """Counts the wrong predictions of each group."""
        logits = model(batch["image"], training=False)
        wrong = tf.argmax(logits, axis=-1) != batch["label"]
        counted = tf.cast(wrong, tf.float32) * batch["weight"]
        groups = group_of(batch["row"], self.group_sizes)
        return {"wrong": sum_by_group(counted, groups, len(self.group_sizes))}

    def metrics(self, sums: dict) -> base.Metrics:
        """Returns the error on all images, `error`."""
        return {"error": float(sums["wrong"].sum()) / self.num_images}


def group_of(rows: tf.Tensor, group_sizes: Sequence[int]) -> tf.Tensor:
    """Returns the group of each image, int64 (batch,).

    Args:
        rows: Places among the images of all groups, int64 (batch,).
        group_sizes: See `GroupErrors`.
    """
    ends = tf.constant(np.cumsum(group_sizes), tf.int64)
    passed = tf.cast(rows[:, tf.newaxis] >= ends, tf.int64)
    return tf.reduce_sum(passed, axis=1)


def sum_by_group(
    values: tf.Tensor, groups: tf.Tensor, num_groups: int
) -> tf.Tensor:
    """Sums values, float32 (batch,), by group: float32 (num_groups,)."""
    return tf.math.unsorted_segment_sum(values, groups, num_groups)

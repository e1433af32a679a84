"""How often a prediction flips from frame to frame, and the mean flip rate.

Hendrycks and Dietterich, arXiv 1903.12261, section 4.2.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import keras
import numpy as np
import tensorflow as tf

from noisy_student.evaluation import base
from noisy_student.evaluation.corruptions import group_of, sum_by_group

# Frames of these are not perturbed further and further: each has noise of its
# own, and is compared with the first, which has none.
NOISE = ("gaussian_noise", "shot_noise")
# Flip probabilities of AlexNet on the frames of ImageNet-P: appendix E, "we now
# specify the value FP of AlexNet for each corruption type", of the authors'
# draft (new_draft.pdf in github.com/hendrycks/robustness at de7653a).
ALEXNET_FLIPS: Mapping[str, float] = MappingProxyType(
    {
        "gaussian_noise": 0.2365,
        "shot_noise": 0.3006,
        "motion_blur": 0.0930,
        "zoom_blur": 0.0594,
        "snow": 0.1193,
        "brightness": 0.0489,
        "translate": 0.1101,
        "rotate": 0.1310,
        "tilt": 0.0705,
        "scale": 0.2353,
    }
)


def flip_rates(
    flips: Mapping[str, float], baseline: Mapping[str, float]
) -> dict[str, float]:
    """Returns a model's flip probabilities in units of a baseline's.

    Args:
        flips: Flip probabilities by type.
        baseline: The baseline's. Types that it does not have, and those in
            which it never flips, are left out.

    Returns:
        Flip rates in % by type, at least 0; 100 is the baseline's.
    """
    return {
        kind: 100 * value / baseline[kind]
        for kind, value in flips.items()
        if baseline.get(kind)
    }


@dataclasses.dataclass(eq=False)
class Flips(base.Evaluator):
    """Flip probabilities of groups of sequences, such as types.

    Batches have whole sequences, which come group by group: `image`, uint8
    (batch, frames, side, side, 3), `row`, int64 (batch,), a sequence's place
    among those of all groups, and `weight`. Their number is `num_images`.

    Attributes:
        group_sizes: The number of sequences of each group, at least 1;
            together they are `num_images`.
        noise: Whether the frames of each group are compared with the first.
        largest_batch: Frames that the model sees at a time, at most.
    """

    group_sizes: Sequence[int] = dataclasses.field(kw_only=True)
    noise: Sequence[bool] = dataclasses.field(kw_only=True)
    largest_batch: int = dataclasses.field(kw_only=True)

    def probabilities(self, model: keras.Model) -> list[float]:
        """Returns the flip probability of each group; see `__call__`."""
        flips = self.measure(model)["flips"]
        return [float(value) for value in flips / np.array(self.group_sizes)]

    def sums(
        self, model: keras.Model, batch: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """Sums the share of frames that flip, over the sequences of a group."""
        predictions = self._predictions(model, batch["image"])
        later = predictions[:, 1:]
        from_first, from_last = (
            tf.reduce_mean(tf.cast(later != earlier, tf.float32), axis=1)
            for earlier in (predictions[:, :1], predictions[:, :-1])
        )
        groups = group_of(batch["row"], self.group_sizes)
        is_noise = tf.gather(tf.constant(list(self.noise)), groups)
        flips = tf.where(is_noise, from_first, from_last) * batch["weight"]
        return {"flips": sum_by_group(flips, groups, len(self.group_sizes))}

    def metrics(self, sums: dict) -> base.Metrics:
        """Returns the flip probability over all groups."""
        return {
            "flip_probability": float(sums["flips"].sum()) / self.num_images
        }

    def _predictions(self, model: keras.Model, images: tf.Tensor) -> tf.Tensor:
        """Returns the most probable classes, int64 (batch, frames)."""
        shape = images.shape
        number = shape[0] * shape[1]
        frames = tf.reshape(images, [number, *shape[2:]])
        parts = math.ceil(number / self.largest_batch)
        if parts == 1:
            found = tf.argmax(model(frames, training=False), axis=-1)
            return tf.reshape(found, shape[:2])
        size = math.ceil(number / parts)
        padding = [[0, parts * size - number], [0, 0], [0, 0], [0, 0]]
        found = tf.map_fn(
            lambda part: tf.argmax(model(part, training=False), axis=-1),
            tf.reshape(tf.pad(frames, padding), [parts, size, *shape[2:]]),
            parallel_iterations=1,
            fn_output_signature=tf.TensorSpec([size], tf.int64),
        )
        return tf.reshape(tf.reshape(found, [-1])[:number], shape[:2])

"""Confidence intervals by the bootstrap over images."""

from typing import NamedTuple

import numpy as np

_RESAMPLES = 10_000


class Interval(NamedTuple):
    """A mean, and the bounds between which it lies with 95 % confidence."""

    mean: float
    low: float
    high: float


def bootstrap(values: np.ndarray, seed: int = 0) -> Interval:
    """Returns the mean of a number that each image has, with its interval.

    Images are drawn with replacement, as many as there are; the interval holds
    95 % of the means (Efron's percentile method). For the difference of two
    models give the difference of their answers image by image: it is paired.

    Args:
        values: float or bool (images,), such as whether a model is correct.
        seed: Of the draws.
    """
    found, counts = np.unique(values.astype(np.float64), return_counts=True)
    # How often each value is drawn is multinomial: there are few values.
    draws = np.random.default_rng(seed).multinomial(
        len(values), counts / len(values), size=_RESAMPLES
    )
    means = draws @ found / len(values)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(np.mean(values)), float(low), float(high))

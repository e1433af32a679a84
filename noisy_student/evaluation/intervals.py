"""Confidence intervals: by the bootstrap over images, or of bare shares."""

import math
from typing import NamedTuple

import numpy as np

_RESAMPLES = 10_000
_Z = 1.959964  # 97.5 % of the normal distribution lie below


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


def wilson(share: float, number: int) -> Interval:
    """Returns a share of independent images with its interval (Wilson, 1927).

    Args:
        share: in [0, 1], such as an accuracy.
        number: of images, above 0.
    """
    weight = _Z**2 / number
    center = (share + weight / 2) / (1 + weight)
    spread = math.sqrt(share * (1 - share) * weight + (weight / 2) ** 2)
    spread /= 1 + weight
    # Rounding must not move the bounds beyond the share itself.
    low, high = max(center - spread, 0.0), min(center + spread, 1.0)
    return Interval(share, min(low, share), max(high, share))


def difference(share: Interval, other: Interval) -> Interval:
    """Returns how much larger a share is than another, with an interval.

    It is Newcombe's (1998) of two independent shares, in [-1, 1]. Two models
    on the same images are not independent, and it is too wide for them.

    Args:
        share: from `wilson`.
        other: likewise.
    """
    mean = share.mean - other.mean
    down = math.hypot(share.mean - share.low, other.high - other.mean)
    up = math.hypot(share.high - share.mean, other.mean - other.low)
    return Interval(mean, mean - down, mean + up)

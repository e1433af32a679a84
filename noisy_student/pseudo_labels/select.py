"""Which images are kept, and in how many copies: filtering and balancing.

Array functions alone. A histogram has 101 bins for each class: bin i counts
the images whose top probability p has i/100 <= p < (i+1)/100, and the last
bin those with p >= 1. Histograms of shares add up. Random numbers depend on
the seed, the shard and the image's place in it alone, so that any number of
workers makes the same choice.
"""

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from noisy_student.config import PseudoLabelConfig

BIN_EDGES = np.arange(101) / 100
# Purposes of random numbers; each has its own stream.
COPIES: tuple[int, ...] = ()
SAMPLES = (1,)


def top_classes(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the most probable class of each image.

    Args:
        probabilities: float (images, classes); all 0 for an image that could
            not be decoded.

    Returns:
        The classes, int64 (images,), and their probabilities, float
        (images,), which are 0 where the image could not be decoded.
    """
    labels = np.argmax(probabilities, axis=1)
    return labels, probabilities[np.arange(len(labels)), labels]


def histogram(
    labels: np.ndarray, top: np.ndarray, num_classes: int
) -> np.ndarray:
    """Counts images by their most probable class and its probability.

    Args:
        labels: int (images,), see `top_classes`.
        top: float (images,), likewise; images with 0 do not count.
        num_classes: number of classes.

    Returns:
        int64 (num_classes, 101).
    """
    bins = np.searchsorted(BIN_EDGES, top.astype(np.float64), "right") - 1
    places = (labels * len(BIN_EDGES) + bins)[top > 0]
    size = num_classes * len(BIN_EDGES)
    flat = np.bincount(places, minlength=size)
    return flat.reshape(num_classes, len(BIN_EDGES))


def choose_thresholds(
    counts: np.ndarray,
    num_image: float,
    min_threshold: float,
    max_prob: float = 2.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Chooses the least probability kept in each class.

    Goes down from the top bin until `num_image` images are at or above it,
    or to the lowest bin whose edge is at least `min_threshold` (Noisy
    Student, section 2.2).

    Args:
        counts: int (classes, 101), the histogram of all images.
        num_image: number of images wanted of each class.
        min_threshold: the lowest threshold, in [0, 1].
        max_prob: bins from this probability on do not count.

    Returns:
        The thresholds, float64 (classes,), all of them edges of bins, and
        the numbers of images at or above them, int64 (classes,).
    """
    allowed = (min_threshold <= BIN_EDGES) & (max_prob > BIN_EDGES)
    lowest, highest = np.flatnonzero(allowed)[[0, -1]]
    window = counts[:, lowest : highest + 1]
    # at_or_above[:, j]: images in bin j and all higher ones.
    at_or_above = np.cumsum(window[:, ::-1], axis=1)[:, ::-1]
    # It falls with j, so the bins with enough images are the first ones.
    enough = (at_or_above >= num_image).sum(axis=1)
    chosen = np.maximum(enough - 1, 0)
    classes = np.arange(len(counts))
    return BIN_EDGES[lowest + chosen], at_or_above[classes, chosen]


def expected_copies(
    totals: np.ndarray, num_image: int, upsample: bool
) -> np.ndarray:
    """Returns the mean number of copies of an image, for each class.

    It is num_image / total: frequent classes are thinned out, and images of
    rare ones repeated.

    Args:
        totals: int (classes,), images at or above their class's threshold.
        num_image: number of images wanted of each class.
        upsample: whether an image may have more than one copy.

    Returns:
        float64 (classes,); 0 where a class has no image.
    """
    copies = np.where(totals > 0, num_image / np.maximum(totals, 1), 0.0)
    return copies if upsample else np.minimum(copies, 1.0)


@dataclasses.dataclass(frozen=True)
class Balance:
    """What is kept of each class (Noisy Student, section 2.2).

    Attributes:
        counts: int (classes, 101), the histogram of all images.
        thresholds: float64 (classes,), the least probability kept.
        totals: int (classes,), the images at or above it.
        copies: float64 (classes,), mean number of copies of these images.
        max_prob: the greatest probability kept.
    """

    counts: np.ndarray
    thresholds: np.ndarray
    totals: np.ndarray
    copies: np.ndarray
    max_prob: float

    @property
    def num_records(self) -> float:
        """The expected number of records, of all images together."""
        return float((self.totals * self.copies).sum())

    @classmethod
    def choose(cls, counts: np.ndarray, config: PseudoLabelConfig) -> "Balance":
        """Chooses thresholds and copies.

        Args:
            counts: int (classes, 101), the histogram of all images.
            config: what to keep.
        """
        if config.use_all:
            size = len(counts)
            totals = counts.sum(axis=1)
            return cls(counts, np.zeros(size), totals, np.ones(size), np.inf)
        thresholds, totals = choose_thresholds(
            counts,
            # No class has so many, so all go down to min_threshold.
            config.num_image if config.use_top else np.inf,
            config.min_threshold,
            config.max_prob,
        )
        copies = expected_copies(totals, config.num_image, config.upsample)
        return cls(counts, thresholds, totals, copies, config.max_prob)

    def draw(
        self, labels: np.ndarray, top: np.ndarray, uniform: np.ndarray
    ) -> np.ndarray:
        """Draws the number of copies of each image.

        An image has the integer part of its class's `copies`, and one more
        with the probability of the fractional part. It has none below the
        class's threshold or where it could not be decoded.

        Args:
            labels: int (images,), see `top_classes`.
            top: float (images,), likewise.
            uniform: float64 (images,), random numbers in [0, 1).

        Returns:
            int64 (images,).
        """
        whole = np.floor(self.copies)
        drawn = whole[labels] + (uniform < (self.copies - whole)[labels])
        top = top.astype(np.float64)
        kept = (top >= self.thresholds[labels]) & (top <= self.max_prob)
        return np.where(kept & (top > 0), drawn, 0).astype(np.int64)

    def select(
        self,
        probabilities: np.ndarray,
        places: range,
        seed: int,
        shard: int,
        rates: np.ndarray,
    ) -> "Selection":
        """Decides what becomes of some images of a shard.

        Args:
            probabilities: float (images, classes).
            places: where the images are in the shard.
            seed: see `uniform`.
            shard: the images' shard.
            rates: float (classes,), which fraction of kept images is saved to
                look at; see `sampling_rates`.
        """
        labels, top = top_classes(probabilities)
        copies = self.draw(labels, top, uniform(COPIES, seed, shard, places))
        drawn = uniform(SAMPLES, seed, shard, places) < rates[labels]
        sampled = (copies > 0) & drawn
        return Selection(places, probabilities, labels, top, copies, sampled)

    def sampling_rates(self, samples: int) -> np.ndarray:
        """Returns which fraction of kept images gives `samples` per class.

        Returns:
            float64 (classes,), in [0, 1].
        """
        kept = np.maximum(self.totals * np.minimum(self.copies, 1), 1)
        return np.minimum(samples / kept, 1.0)


class Selection(NamedTuple):
    """What becomes of some images of a shard.

    Attributes:
        places: where the images are in the shard.
        probabilities: float (images, classes).
        labels: int64 (images,), see `top_classes`.
        top: float (images,), likewise.
        copies: int64 (images,), 0 where the image is not kept.
        sampled: bool (images,), kept ones that are saved to look at.
    """

    places: range
    probabilities: np.ndarray
    labels: np.ndarray
    top: np.ndarray
    copies: np.ndarray
    sampled: np.ndarray

    def blocks(self, size: int) -> Iterator["Selection"]:
        """Yields `size` images at a time; fewer at the end."""
        for first in range(0, len(self.labels), size):
            block = slice(first, first + size)
            yield Selection._make(column[block] for column in self)


def uniform(
    purpose: tuple[int, ...], seed: int, shard: int, places: range
) -> np.ndarray:
    """Returns the random numbers of some images of a shard.

    An image's number depends on (purpose, seed, shard, place) alone.

    Args:
        purpose: `COPIES` or `SAMPLES`.
        seed: of the experiment, at least 0.
        shard: the images' shard.
        places: where the images are in the shard.

    Returns:
        float64 (images,), in [0, 1).
    """
    block = 4  # numbers that Philox makes at once
    sequence = np.random.SeedSequence([seed, shard], spawn_key=purpose)
    philox = np.random.Philox(sequence).advance(places.start // block)
    first = places.start // block * block
    numbers = np.random.Generator(philox).random(places.stop - first)
    return numbers[places.start - first :: places.step]

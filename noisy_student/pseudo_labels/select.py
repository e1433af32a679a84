"""Which images stay, and in how many copies: filtering and balancing.

Pure array functions; what is random depends only on the seed, the shard and
the image's place in it, so any number of workers chooses the same.
"""

import dataclasses

import numpy as np

from noisy_student.config import PseudoLabelConfig
from noisy_student.pseudo_labels import count

# What is drawn, each from numbers of its own.
COPIES: tuple[int, ...] = ()
SAMPLES = (1,)


@dataclasses.dataclass(frozen=True)
class Balance:
    """What is kept of each class (Noisy Student, section 2.2).

    Attributes:
        counts: int (classes, 101), of all images; see `count.count`.
        thresholds: float64 (classes,), least probability kept.
        totals: int (classes,), images at or above it.
        copies: float64 (classes,), of each kept image on average.
        max_prob: greatest probability kept.
    """

    counts: np.ndarray
    thresholds: np.ndarray
    totals: np.ndarray
    copies: np.ndarray
    max_prob: float

    @classmethod
    def choose(cls, counts: np.ndarray, config: PseudoLabelConfig) -> "Balance":
        """Chooses thresholds and copies from the counts of all images."""
        if config.use_all:
            size = len(counts)
            totals = counts.sum(axis=1)
            return cls(counts, np.zeros(size), totals, np.ones(size), np.inf)
        thresholds, totals = count.choose_thresholds(
            counts,
            # Nothing reaches it, so that all go down to min_threshold.
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

        The whole part of the class's `copies` always, one more with the
        probability of the fraction; none below the class's threshold, and
        none of images that could not be decoded.

        Args:
            labels: int (images,), see `count.top_classes`.
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

    def sampling_rates(self, samples: int) -> np.ndarray:
        """Shares of kept images that give `samples` a class on average.

        Returns:
            float64 (classes,), in [0, 1].
        """
        kept = np.maximum(self.totals * np.minimum(self.copies, 1), 1)
        return np.minimum(samples / kept, 1.0)


def expected_copies(
    totals: np.ndarray, num_image: int, upsample: bool
) -> np.ndarray:
    """Copies of each kept image, on average.

    num_image / total: rich classes are thinned and poor ones repeated.

    Args:
        totals: int (classes,), images at or above their class's threshold.
        num_image: images wanted of each class.
        upsample: False keeps at most one copy.

    Returns:
        float64 (classes,); 0 where a class has no image.
    """
    copies = np.where(totals > 0, num_image / np.maximum(totals, 1), 0.0)
    return copies if upsample else np.minimum(copies, 1.0)


def uniform(
    purpose: tuple[int, ...], seed: int, shard: int, images: range
) -> np.ndarray:
    """Random numbers of some images of a shard.

    An image's number depends on (purpose, seed, shard, image) alone.

    Args:
        purpose: `COPIES` or `SAMPLES`.
        seed: of the experiment, at least 0.
        shard: number of the shard.
        images: their places in the shard.

    Returns:
        float64 (images,), in [0, 1).
    """
    block = 4  # numbers that Philox makes at once
    sequence = np.random.SeedSequence([seed, shard], spawn_key=purpose)
    philox = np.random.Philox(sequence).advance(images.start // block)
    first = images.start // block * block
    numbers = np.random.Generator(philox).random(images.stop - first)
    return numbers[images.start - first :: images.step]

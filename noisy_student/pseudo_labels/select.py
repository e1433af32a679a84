"""Which images stay, and in how many copies: filtering and balancing.

Pure array functions; what is random depends only on the seed, the shard and
the image's place in it, so any number of workers chooses the same.
"""

import numpy as np


def expected_copies(
    totals: np.ndarray, num_image: int, upsample: bool, use_all: bool
) -> np.ndarray:
    """Copies of each kept image, on average.

    num_image / total: rich classes are thinned and poor ones repeated.

    Args:
        totals: int (classes,), images at or above their class's threshold.
        num_image: images wanted of each class.
        upsample: False keeps at most one copy.
        use_all: one copy, whatever the totals.

    Returns:
        float64 (classes,); 0 where a class has no image.
    """
    if use_all:
        return np.ones(len(totals))
    copies = np.where(totals > 0, num_image / np.maximum(totals, 1), 0.0)
    return copies if upsample else np.minimum(copies, 1.0)


def draw_copies(
    probabilities: np.ndarray,
    thresholds: np.ndarray,
    copies: np.ndarray,
    max_prob: float,
    seed: int,
    shard: int,
) -> np.ndarray:
    """Draws the number of copies of each image of a shard.

    The whole part of the class's `copies` always, one more with the
    probability of the fraction; none below the class's threshold, and none
    of images whose probabilities are all 0: they could not be decoded.

    Args:
        probabilities: float (images, classes).
        thresholds: float (classes,), least probability kept.
        copies: float (classes,), copies on average.
        max_prob: greatest probability kept.
        seed: of the experiment.
        shard: number of the shard.

    Returns:
        int64 (images,).
    """
    labels = np.argmax(probabilities, axis=1)
    top = np.max(probabilities, axis=1, initial=0.0).astype(np.float64)
    whole = np.floor(copies)
    uniform = _uniform(len(labels), seed, shard)
    drawn = whole[labels] + (uniform < (copies - whole)[labels])
    kept = (top > 0) & (top >= thresholds[labels]) & (top <= max_prob)
    return np.where(kept, drawn, 0).astype(np.int64)


def _uniform(count: int, seed: int, shard: int) -> np.ndarray:
    """The i-th number depends on (seed, shard, i) alone."""
    sequence = np.random.SeedSequence([seed, shard])
    return np.random.Generator(np.random.Philox(sequence)).random(count)

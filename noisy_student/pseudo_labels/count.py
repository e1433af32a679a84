"""How sure the teacher is, per class: histograms and thresholds.

Pure array functions. A histogram has 101 bins: bin i counts the images whose
top probability p has i/100 <= p < (i+1)/100, and the last those with p >= 1.
Histograms of shards add up.
"""

import numpy as np

BIN_EDGES = np.arange(101) / 100


def count(probabilities: np.ndarray) -> np.ndarray:
    """Counts predictions by class and bin.

    Args:
        probabilities: float (images, classes); images whose are all 0 could
            not be decoded, and do not count.

    Returns:
        int64 (classes, 101).
    """
    num_classes = probabilities.shape[1]
    probabilities = probabilities[probabilities.any(axis=1)]
    labels = np.argmax(probabilities, axis=1)
    top = np.max(probabilities, axis=1, initial=0.0)
    bins = np.searchsorted(BIN_EDGES, top.astype(np.float64), "right") - 1
    flat = np.bincount(
        labels * len(BIN_EDGES) + bins, minlength=num_classes * len(BIN_EDGES)
    )
    return flat.reshape(num_classes, len(BIN_EDGES))


def choose_thresholds(
    counts: np.ndarray,
    num_image: int,
    min_threshold: float,
    max_prob: float = 2.0,
) -> tuple[np.ndarray, np.ndarray]:
    """The least probability kept in each class (Noisy Student, section 2.2).

    Goes down from the top bin until `num_image` images are above, or until
    the last bin whose edge is at or above `min_threshold`.

    Args:
        counts: int (classes, 101), of all shards together.
        num_image: images wanted of each class.
        min_threshold: least threshold, in [0, 1].
        max_prob: bins from here on do not count.

    Returns:
        float64 (classes,), the thresholds, all edges of bins, and int64
        (classes,), the images at or above them.
    """
    allowed = (min_threshold <= BIN_EDGES) & (max_prob > BIN_EDGES)
    lowest, highest = np.flatnonzero(allowed)[[0, -1]]
    window = counts[:, lowest : highest + 1]
    # at_or_above[:, j]: images in this bin and the bins above.
    at_or_above = np.cumsum(window[:, ::-1], axis=1)[:, ::-1]
    # It falls with j, so the bins with enough images are the first ones.
    enough = (at_or_above >= num_image).sum(axis=1)
    chosen = np.maximum(enough - 1, 0)
    classes = np.arange(len(counts))
    return BIN_EDGES[lowest + chosen], at_or_above[classes, chosen]

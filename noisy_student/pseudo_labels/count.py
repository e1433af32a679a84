"""How sure the teacher is, per class: histograms and thresholds.

Pure array functions. A histogram has 101 bins: bin i counts the images whose
top probability p has i/100 <= p < (i+1)/100, and the last those with p >= 1.
Histograms of shards add up.
"""

import numpy as np

BIN_EDGES = np.arange(101) / 100


def top_classes(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The most probable class of each image.

    Args:
        probabilities: float (images, classes); all 0 for an image that could
            not be decoded.

    Returns:
        int64 (images,), the classes, and float (images,), their
        probabilities; 0 where the image could not be decoded.
    """
    labels = np.argmax(probabilities, axis=1)
    return labels, probabilities[np.arange(len(labels)), labels]


def count(labels: np.ndarray, top: np.ndarray, num_classes: int) -> np.ndarray:
    """Counts predictions by class and bin.

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

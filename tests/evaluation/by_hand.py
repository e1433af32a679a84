"""What evaluators compute, in plain NumPy."""

import numpy as np


def flip_probability(predictions: np.ndarray, noise: bool) -> float:
    """The flip probability, FP of section 4.2 of arXiv 1903.12261.

    Args:
        predictions: The most probable classes, int (sequences, frames), at
            least one sequence and two frames.
        noise: Whether frames are compared with the first one of the sequence;
            else with the one before.
    """
    compared = predictions[:, :1] if noise else predictions[:, :-1]
    return float(np.mean(predictions[:, 1:] != compared))

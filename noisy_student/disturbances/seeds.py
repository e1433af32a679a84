"""Seeds of disturbed images: the same in every run, whatever its --seed."""

import zlib

import numpy as np


def of_image(kind: str, *numbers: int) -> int:
    """Returns the seed of an image under one disturbance.

    Args:
        kind: The name of the disturbance.
        numbers: Its severity, if it has one, and the image's place in the
            test set; at least 0.

    Returns:
        A number in [0, 2**32).
    """
    entropy = [zlib.crc32(kind.encode()), *numbers]
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])

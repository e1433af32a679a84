"""Images that are too small to be disturbed are enlarged for it."""

import numpy as np
from PIL import Image

SMALLEST = 32  # of imagecorruptions-imaug, in pixels


def enlarged(image: np.ndarray) -> np.ndarray:
    """Enlarges an image of less than 32 pixels, bicubically.

    Args:
        image: uint8 (side, side, 3).
    """
    return resized(image, max(len(image), SMALLEST))


def resized(image: np.ndarray, side: int) -> np.ndarray:
    """Resizes an image bicubically; without aliases where it is reduced.

    Args:
        image: uint8 (any side, the same side, 3).
        side: The side of the result in pixels.

    Returns:
        uint8 (side, side, 3).
    """
    if len(image) == side:
        return image
    bicubic = Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(image).resize((side, side), bicubic))

"""Real images for benchmarks: scikit-learn's two sample photographs."""

import io

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_image

_NAMES = ("china.jpg", "flower.jpg")  # 427 x 640 pixels each


def windows(side: int, count: int) -> np.ndarray:
    """Cuts windows at random places; for small ones the photographs shrink.

    Returns:
        uint8 (count, side, side, 3).
    """
    shrink = max(1, 224 // side)
    photographs = [load_sample_image(name) for name in _NAMES]
    generator = np.random.default_rng(0)
    images = []
    for number in range(count):
        photograph = Image.fromarray(photographs[number % len(photographs)])
        image = np.asarray(photograph.reduce(shrink))
        top, left = (
            generator.integers(0, length - side + 1)
            for length in image.shape[:2]
        )
        images.append(image[top : top + side, left : left + side])
    return np.stack(images)


def jpegs(width: int, height: int, count: int) -> list[bytes]:
    """Cuts windows at random places and encodes them, at JPEG quality 92."""
    photographs = [load_sample_image(name) for name in _NAMES]
    generator = np.random.default_rng(0)
    encoded = []
    for number in range(count):
        image = Image.fromarray(photographs[number % len(photographs)])
        left = int(generator.integers(0, image.width - width + 1))
        top = int(generator.integers(0, image.height - height + 1))
        window = image.crop((left, top, left + width, top + height))
        file = io.BytesIO()
        window.save(file, "JPEG", quality=92)
        encoded.append(file.getvalue())
    return encoded

"""Corrupted images as ImageNet-C has them, made by imagecorruptions-imaug.

Hendrycks and Dietterich, arXiv 1903.12261, section 3 and appendix A. Images
that are made differ from the published files: those were corrupted at 224
pixels, these at the side of the model; those were stored as JPEGs of quality
85 afterwards; their motion, in motion blur and snow, is ImageMagick's, here it
is the library's; and their noise was another draw.
"""

import functools
import inspect
from collections.abc import Sequence
from types import ModuleType

import numpy as np

from noisy_student.disturbances import seeds, sides


def check_installed() -> None:
    """Refuses to go on without the library.

    Raises:
        ValueError: It is not installed.
    """
    try:
        import imagecorruptions  # noqa: F401
    except ImportError as error:
        raise ValueError(
            "Corrupted images are made by imagecorruptions-imaug: pip install "
            "-r requirements-robustness.txt, or name a directory that has "
            "them, --corrupted_data_dir."
        ) from error


def corrupt(
    image: np.ndarray, kind: str, severity: int, place: int
) -> np.ndarray:
    """Corrupts an image; the same arguments always give the same image.

    Seeds the global generator of NumPy, so call it in a process of its own. An
    image of less than 32 pixels is enlarged to 32, corrupted and reduced
    again, bicubically.

    Args:
        image: uint8 (side, side, 3).
        kind: A name of `config.robustness.CORRUPTIONS` or
            `EXTRA_CORRUPTIONS`.
        severity: 1 to 5; larger is stronger.
        place: The image's place in the test set, which seeds what is random.

    Returns:
        uint8 (side, side, 3).
    """
    seed = seeds.of_image(kind, severity, place)
    # The library draws from NumPy's global generator, but for two types, which
    # take a seed.
    np.random.seed(seed)
    options = {"seed": seed} if _takes_seed(kind) else {}
    corrupted = _library().corrupt(
        sides.enlarged(image),
        corruption_name=kind,
        severity=severity,
        **options,
    )
    return sides.resized(corrupted, len(image))


def corrupt_all(
    images: np.ndarray,
    kinds: Sequence[str],
    severities: Sequence[int],
    places: Sequence[int],
) -> np.ndarray:
    """Corrupts some images, each by its own type; see `corrupt`.

    Args:
        images: uint8 (images, side, side, 3).
        kinds: A type for each image.
        severities: A severity for each image.
        places: A place for each image.

    Returns:
        uint8 (images, side, side, 3).
    """
    each = zip(images, kinds, severities, places, strict=True)
    return np.stack([corrupt(*arguments) for arguments in each])


@functools.cache
def _library() -> ModuleType:
    import cv2
    import imagecorruptions

    cv2.setNumThreads(1)  # there is a process for each core
    return imagecorruptions


@functools.cache
def _takes_seed(kind: str) -> bool:
    function = _library().corruption_dict[kind]
    return "seed" in inspect.signature(function).parameters

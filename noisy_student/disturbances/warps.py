"""Geometry of perturbed frames: homographies, and blur along a line.

A homography is a matrix, float64 (3, 3), that takes the place (x, y, 1) of a
pixel in the image to its place in the frame, up to a factor. Places are in
pixels from the centre, x to the right and y downwards.
"""

import math
from typing import Literal

import numpy as np
from PIL import Image

Border = Literal["symmetric", "constant"]


def translation(pixels: float) -> np.ndarray:
    """Returns the homography of a shift to the right."""
    matrix = np.eye(3)
    matrix[0, 2] = pixels
    return matrix


def rotation(degrees: float) -> np.ndarray:
    """Returns the homography of a rotation, clockwise."""
    cos, sin = _cos_sin(degrees)
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])


def scaling(factor: float) -> np.ndarray:
    """Returns the homography of a scaling; above 1 it enlarges."""
    return np.diag([factor, factor, 1])


def tilt(degrees: float, side: int) -> np.ndarray:
    """Returns the homography of a rotation in space about both axes.

    The camera is as far from the image as its diagonal is long.

    Args:
        degrees: The angle about each axis.
        side: Of the image.
    """
    cos, sin = _cos_sin(degrees)
    about_x = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    about_y = np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
    distance = math.sqrt(2) * side
    # The image lies in the plane z = 0, so its third column does not matter.
    matrix = (about_x @ about_y).copy()
    matrix[:, 2] = [0, 0, distance]
    return np.diag([distance, distance, 1]) @ matrix


def warp(
    image: np.ndarray, homography: np.ndarray, border: Border = "symmetric"
) -> np.ndarray:
    """Moves the pixels of an image, which are interpolated bilinearly.

    Args:
        image: float32 (side, side, 3).
        homography: From the image to the frame; see the module.
        border: What is beside the image, a mode of `np.pad`: "symmetric" is
            its mirror image, "constant" is black.

    Returns:
        float32 (side, side, 3).
    """
    side = len(image)
    around = side  # pixels on each side, more than any frame shows of them
    padded = np.pad(image, ((around, around), (around, around), (0, 0)), border)
    # PIL asks for the way back, in pixels from the corner of the frame to the
    # corner of the padded image.
    to_centre = translation(-side / 2)
    to_centre[1, 2] = -side / 2
    from_centre = translation(side / 2 + around)
    from_centre[1, 2] = side / 2 + around
    back = from_centre @ np.linalg.inv(homography) @ to_centre
    coefficients = (back / back[2, 2]).ravel()[:8]
    channels = [
        Image.fromarray(padded[..., channel]).transform(
            (side, side),
            Image.Transform.PERSPECTIVE,
            tuple(coefficients),
            Image.Resampling.BILINEAR,
        )
        for channel in range(image.shape[-1])
    ]
    return np.stack([np.asarray(channel) for channel in channels], axis=-1)


def motion_blur(
    image: np.ndarray, radius: float, deviation: float, degrees: float
) -> np.ndarray:
    """Blurs an image to one side along a line, as ImageMagick's motion blur.

    The weights are those of a normal distribution, from its mean on. The last
    pixels at the border are repeated.

    Args:
        image: float (side, side, channels).
        radius: In pixels; the line is twice as long.
        deviation: Standard deviation of the weights, in pixels.
        degrees: Direction of the line; 0 is to the right, 90 downwards.

    Returns:
        float (side, side, channels).
    """
    places = np.arange(2 * math.ceil(radius) + 1)
    weights = np.exp(-(places**2) / (2 * deviation**2))
    weights /= weights.sum()
    side, around = len(image), len(places)
    padded = np.pad(image, ((around, around), (around, around), (0, 0)), "edge")
    cos, sin = _cos_sin(degrees)
    blurred = np.zeros_like(image)
    for place, weight in zip(places, weights, strict=True):
        top = around + round(place * sin)
        left = around + round(place * cos)
        part = padded[top : top + side, left : left + side]
        blurred += weight.astype(image.dtype) * part
    return blurred


def _cos_sin(degrees: float) -> tuple[float, float]:
    return math.cos(math.radians(degrees)), math.sin(math.radians(degrees))

"""Sequences of frames in which an image is perturbed, as ImageNet-P has them.

Hendrycks and Dietterich, arXiv 1903.12261, section 4.2. The strengths are
those of their scripts (github.com/hendrycks/robustness, ImageNet-P/create_p):
of CIFAR-10-P for images of up to 64 pixels, of ImageNet-P for larger ones.

Frames that are made differ from the published ones, which were cut out of a
larger image and stored as video. Here what enters at the border is mirrored,
and black beside an image that is reduced. Lengths in pixels are shares of the
side.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from scipy import ndimage

from noisy_student.disturbances import seeds, sides, warps

_LARGEST_SMALL_SIDE = 64


@dataclasses.dataclass(frozen=True)
class _Strengths:
    """How far a sequence goes; pairs are its first and its last frame.

    Attributes:
        noise: Standard deviation of Gaussian noise, of pixels in [0, 1].
        photons: Mean count of shot noise at a pixel of 1.
        motion: Radius and standard deviation of motion blur, in pixels.
        motion_angle: Its direction, in degrees.
        zoom: Scale of the largest image that zoom blur averages.
        flakes: How much flakes of snow are enlarged.
        snow_motion: Radius and standard deviation of their motion.
        snow_angle: Its direction.
        brightness: What is added to the value (of HSV), in [0, 1].
        shift: In pixels, to the right.
        angle: Of a rotation, in degrees.
        tilt: Angle of a rotation about both axes of the image.
        scale: Side of the reduced or enlarged image, in sides.
        side: Of the images that the lengths in pixels are for.
    """

    noise: float
    photons: float
    motion: tuple[float, float]
    motion_angle: tuple[float, float]
    zoom: float
    flakes: float
    snow_motion: tuple[float, float]
    snow_angle: tuple[float, float]
    brightness: tuple[float, float]
    shift: tuple[float, float]
    angle: tuple[float, float]
    tilt: tuple[float, float]
    scale: tuple[float, float]
    side: int


_LARGE = _Strengths(
    noise=0.03,
    photons=300,
    motion=(10, 3),
    motion_angle=(-120, 0),
    zoom=1.12,
    flakes=3,
    snow_motion=(14, 4),
    snow_angle=(-150, -30),
    brightness=(-0.3, 0.3),
    shift=(-15, 15),
    angle=(-15, 15),
    tilt=(-15, 15),
    scale=(0.4, 1.15),
    side=224,
)
_SMALL = _Strengths(
    noise=0.02,
    photons=700,
    motion=(6, 1.8),
    motion_angle=(-180, 0),
    zoom=1.12,
    flakes=2,
    snow_motion=(10, 2),
    snow_angle=(-150, -30),
    brightness=(-0.225, 0.225),
    shift=(-7, 7),
    angle=(-15, 15),
    tilt=(-11.25, 11.25),
    scale=(0.7, 1.3),
    side=32,
)


def make(
    image: np.ndarray, kind: str, num_frames: int, place: int
) -> np.ndarray:
    """Makes a sequence; the same arguments always give the same frames.

    More frames are closer to one another, and reach as far. An image of less
    than 32 pixels is enlarged to 32, perturbed and reduced again.

    Args:
        image: uint8 (side, side, 3).
        kind: A name of `config.robustness.PERTURBATIONS`. The first frame of
            gaussian_noise, shot_noise and zoom_blur is the image itself.
        num_frames: At least 2.
        place: The image's place in the test set, which seeds what is random.

    Returns:
        uint8 (num_frames, side, side, 3).
    """
    small = len(image) <= _LARGEST_SMALL_SIDE
    generator = np.random.default_rng(seeds.of_image(kind, place))
    sequence = _Sequence(
        sides.enlarged(image).astype(np.float32) / 255,
        np.linspace(0, 1, num_frames),
        _SMALL if small else _LARGE,
        generator,
    )
    frames = np.clip(_MAKERS[kind](sequence), 0, 1)
    whole = np.round(255 * frames).astype(np.uint8)
    return np.stack([sides.resized(frame, len(image)) for frame in whole])


def make_all(
    images: np.ndarray,
    kinds: Sequence[str],
    num_frames: int,
    places: Sequence[int],
) -> np.ndarray:
    """Makes sequences of some images, each of its own type; see `make`.

    Args:
        images: uint8 (images, side, side, 3).
        kinds: A type for each image.
        num_frames: At least 2.
        places: A place for each image.

    Returns:
        uint8 (images, num_frames, side, side, 3).
    """
    each = zip(images, kinds, places, strict=True)
    return np.stack([make(x, kind, num_frames, at) for x, kind, at in each])


@dataclasses.dataclass(frozen=True)
class _Sequence:
    """What a sequence is made of.

    Attributes:
        image: float32 (side, side, 3), in [0, 1].
        times: Of the frames, float64 (frames,), from 0 to 1.
        strengths: How far it goes.
        generator: Draws what is random.
    """

    image: np.ndarray
    times: np.ndarray
    strengths: _Strengths
    generator: np.random.Generator

    def between(self, ends: tuple[float, float]) -> np.ndarray:
        """Returns a strength for each frame."""
        return ends[0] + (ends[1] - ends[0]) * self.times

    def pixels(self, lengths: tuple[float, float]) -> tuple[float, float]:
        """Returns lengths at this side."""
        share = len(self.image) / self.strengths.side
        return lengths[0] * share, lengths[1] * share

    def warped(
        self,
        matrices: Iterable[np.ndarray],
        border: warps.Border = "symmetric",
    ) -> np.ndarray:
        """Returns frames whose pixels are moved; see `warps.warp`."""
        return np.stack([warps.warp(self.image, m, border) for m in matrices])


def _gaussian_noise(sequence: _Sequence) -> np.ndarray:
    image, frames = sequence.image, len(sequence.times)
    noise = sequence.generator.normal(size=(frames - 1, *image.shape))
    return np.stack([image, *(image + sequence.strengths.noise * noise)])


def _shot_noise(sequence: _Sequence) -> np.ndarray:
    image, photons = sequence.image, sequence.strengths.photons
    size = (len(sequence.times) - 1, *image.shape)
    counts = sequence.generator.poisson(photons * image, size)
    return np.stack([image, *(counts / photons)])


def _motion_blur(sequence: _Sequence) -> np.ndarray:
    radius, deviation = sequence.pixels(sequence.strengths.motion)
    angles = sequence.between(sequence.strengths.motion_angle)
    return np.stack(
        [
            warps.motion_blur(sequence.image, radius, deviation, angle)
            for angle in angles
        ]
    )


def _zoom_blur(sequence: _Sequence) -> np.ndarray:
    """Each frame is the mean of the image and its enlargements so far."""
    scales = sequence.between((1, sequence.strengths.zoom))
    zoomed = sequence.warped(map(warps.scaling, scales))
    numbers = np.arange(1, len(zoomed) + 1)[:, None, None, None]
    return np.cumsum(zoomed, axis=0) / numbers


def _snow(sequence: _Sequence) -> np.ndarray:
    """The same flakes fall in a direction that turns."""
    image, strengths = sequence.image, sequence.strengths
    side = len(image)
    flakes = sequence.generator.normal(0.05, 0.3, size=(side, side))
    flakes = ndimage.zoom(flakes, strengths.flakes, order=1)
    top = (len(flakes) - side) // 2
    flakes = flakes[top : top + side, top : top + side]
    flakes = np.clip(np.where(flakes < 0.5, 0, flakes), 0, 1)[..., None]
    grey = image @ np.array([0.299, 0.587, 0.114], np.float32)
    white = np.maximum(image, 1.5 * grey[..., None] + 0.5)
    dull = 0.85 * image + 0.15 * white
    frames = []
    for angle in sequence.between(strengths.snow_angle):
        lengths = sequence.pixels(strengths.snow_motion)
        layer = warps.motion_blur(flakes, *lengths, angle)
        frames.append(dull + layer + np.rot90(layer, 2))
    return np.stack(frames)


def _brightness(sequence: _Sequence) -> np.ndarray:
    """Changes the value, and leaves hue and saturation as they are."""
    image = sequence.image
    value = image.max(axis=-1, keepdims=True)
    # Black has no colour, and becomes grey.
    colour = np.divide(image, value, out=np.ones_like(image), where=value > 0)
    added = sequence.between(sequence.strengths.brightness)
    return np.clip(value + added[:, None, None, None], 0, 1) * colour


def _translate(sequence: _Sequence) -> np.ndarray:
    shifts = sequence.between(sequence.pixels(sequence.strengths.shift))
    return sequence.warped(map(warps.translation, shifts))


def _rotate(sequence: _Sequence) -> np.ndarray:
    angles = sequence.between(sequence.strengths.angle)
    return sequence.warped(map(warps.rotation, angles))


def _tilt(sequence: _Sequence) -> np.ndarray:
    side = len(sequence.image)
    angles = sequence.between(sequence.strengths.tilt)
    return sequence.warped(warps.tilt(angle, side) for angle in angles)


def _scale(sequence: _Sequence) -> np.ndarray:
    scales = sequence.between(sequence.strengths.scale)
    return sequence.warped(map(warps.scaling, scales), "constant")


_MAKERS: dict[str, Callable[[_Sequence], np.ndarray]] = {
    "gaussian_noise": _gaussian_noise,
    "shot_noise": _shot_noise,
    "motion_blur": _motion_blur,
    "zoom_blur": _zoom_blur,
    "snow": _snow,
    "brightness": _brightness,
    "translate": _translate,
    "rotate": _rotate,
    "tilt": _tilt,
    "scale": _scale,
}

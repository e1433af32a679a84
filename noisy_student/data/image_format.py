"""The form in which a task's images reach a model."""

import dataclasses

from noisy_student import tasks
from noisy_student.config import NoiseConfig


@dataclasses.dataclass(frozen=True)
class ImageFormat:
    """The form of a task's images.

    Attributes:
        side: The side in pixels.
        small: Whether images are treated as small ones.
        horizontal_flip: Whether training images are mirrored at random.
    """

    side: int
    small: bool
    horizontal_flip: bool

    @classmethod
    def for_task(
        cls, task: tasks.Task, side: int, noise_config: NoiseConfig
    ) -> "ImageFormat":
        """Returns the format of a task's images at a resolution.

        Args:
            task: The task.
            side: The side in pixels.
            noise_config: Its `horizontal_flip` overrides the task's.
        """
        flip = noise_config.horizontal_flip
        return cls(
            side=side,
            small=task.small_images,
            horizontal_flip=task.horizontal_flip if flip is None else flip,
        )

"""What is exported."""

import dataclasses

import keras
import numpy as np

from noisy_student.data import views


@dataclasses.dataclass(frozen=True)
class Exportable:
    """A model to export.

    Attributes:
        reference: The model, from RGB in [0, 255], (batch, side, side, 3), to
            logits, float32 (batch, classes). What is exported must equal it.
        model: The same of Keras' own layers, which is exported.
        image_format: The form of its images.
        class_names: The names of its classes, in order.
    """

    reference: keras.Model
    model: keras.Model
    image_format: views.ImageFormat
    class_names: tuple[str, ...]

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Returns the reference's logits of images."""
        return np.asarray(self.reference(images, training=False))

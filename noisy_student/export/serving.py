"""The SavedModel: signatures of images and of encoded images.

TensorFlow alone loads and runs it. Both signatures return `logits` and
`probabilities`, float32 (batch, classes). The file `assets/classes.txt` in it
names the classes, one in a line.
"""

import tempfile

import tensorflow as tf
from etils import epath

from noisy_student.config.paths import to_path
from noisy_student.data import views
from noisy_student.export.exportable import Exportable
from noisy_student.files import run_directory

IMAGES, ENCODED = "serving_default", "serve_encoded"

Answers = dict[str, tf.Tensor]


class _Served(tf.Module):
    """The signatures, with the variables and the file that they need.

    Args:
        exportable: The model.
        classes: The file with the names of its classes.
    """

    def __init__(self, exportable: Exportable, classes: epath.Path) -> None:
        super().__init__()
        self._exportable = exportable
        self.model_variables = [v.value for v in exportable.model.variables]
        self.classes = tf.saved_model.Asset(str(classes))
        side = exportable.image_format.side
        images = tf.TensorSpec((None, side, side, 3), tf.float32, "images")
        encoded = tf.TensorSpec((None,), tf.string, "encoded")
        self.answer = tf.function(self._answer, [images])
        self.answer_encoded = tf.function(self._answer_encoded, [encoded])

    def _answer(self, images: tf.Tensor) -> Answers:
        logits = self._exportable.model(images, training=False)
        return {"logits": logits, "probabilities": tf.nn.softmax(logits)}

    def _answer_encoded(self, encoded: tf.Tensor) -> Answers:
        image_format = self._exportable.image_format
        view = views.upright(views.plain_view(image_format))
        no_seed = tf.zeros([2], tf.int64)

        def decode(one: tf.Tensor) -> tf.Tensor:
            return view(one, no_seed)["image"]

        side = image_format.side
        images = tf.map_fn(
            decode,
            encoded,
            fn_output_signature=tf.TensorSpec((side, side, 3), tf.uint8),
        )
        return self._answer(tf.cast(images, tf.float32))


def save(exportable: Exportable, path: epath.Path) -> None:
    """Writes a SavedModel.

    Args:
        exportable: The model.
        path: The directory that it becomes.
    """
    with tempfile.TemporaryDirectory() as folder:
        classes = to_path(folder) / run_directory.CLASSES_FILE
        run_directory.write_class_names(classes.parent, exportable.class_names)
        served = _Served(exportable, classes)
        signatures = {IMAGES: served.answer, ENCODED: served.answer_encoded}
        tf.saved_model.save(served, str(path), signatures)

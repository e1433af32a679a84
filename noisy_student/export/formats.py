"""The formats of exported models: how each is written and run.

What was written is run at once, and refused where its answers are others than
those of the model that it was made of.
"""

import dataclasses
import importlib.util
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from etils import epath

from noisy_student.data import decoding, views
from noisy_student.errors import InputError
from noisy_student.export import serving
from noisy_student.export.exportable import Exportable

# Largest distance of logits, as a share of their range.
_TOLERANCE = 1e-4
_NUM_IMAGES = 5


@dataclasses.dataclass(frozen=True)
class Format:
    """How a format is written and run.

    Attributes:
        path: Where it lies in an export.
        write: Writes a model there.
        answer: Loads what lies there and returns the logits, float32 (batch,
            classes), of images, float32 (batch, side, side, 3) in [0, 255].
        needs: The modules that this takes beside TensorFlow and Keras.
    """

    path: str
    write: Callable[[Exportable, epath.Path], None]
    answer: Callable[[epath.Path, np.ndarray], np.ndarray]
    needs: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        """Those of `needs` that are not installed."""
        return [x for x in self.needs if importlib.util.find_spec(x) is None]


def write(
    name: str, exportable: Exportable, directory: epath.Path
) -> epath.Path:
    """Writes a model in a format, and checks what it answers.

    Args:
        name: One of `FORMATS`.
        exportable: The model.
        directory: Of the export.

    Returns:
        What was written, a file or a directory.

    Raises:
        InputError: Its answers are not the model's.
    """
    path = directory / FORMATS[name].path
    path.parent.mkdir(parents=True, exist_ok=True)
    FORMATS[name].write(exportable, path)
    images = _sample_images(exportable.image_format.side)
    answers = FORMATS[name].answer(path, images.astype(np.float32))
    _check_equal(name, answers, exportable.logits(images))
    if name == "saved_model":
        encoded = _sample_files(exportable.image_format.side)
        answers = _answer_encoded(path, encoded)
        expected = exportable.logits(_decoded(exportable, encoded))
        _check_equal(f"{name} ({serving.ENCODED})", answers, expected)
    return path


def _check_equal(name: str, answers: np.ndarray, expected: np.ndarray) -> None:
    """Refuses other logits, or another class, than a model's.

    Raises:
        InputError: It is not the same model.
    """
    distance = np.abs(answers - expected).max()
    close = distance <= _TOLERANCE * np.ptp(expected)
    if not close or (answers.argmax(-1) != expected.argmax(-1)).any():
        raise InputError(
            f"format={name}: the exported model's logits are up to "
            f"{distance:.3g} from the model's, whose range is "
            f"{np.ptp(expected):.3g}. Nothing was written."
        )


def _sample_images(side: int) -> np.ndarray:
    """Smooth and noisy images, uint8 (batch, side, side, 3)."""
    return np.stack(
        [_sample(number, side, side) for number in range(_NUM_IMAGES)]
    )


def _sample(seed: int, height: int, width: int) -> np.ndarray:
    """An image of a gradient and noise, uint8 (height, width, 3)."""
    generator = np.random.default_rng(seed)
    rows, columns = np.linspace(0, 1, height), np.linspace(0, 1, width)
    plane = rows[:, None, None] * generator.uniform(-1, 1, 3)
    plane = plane + columns[:, None] * generator.uniform(-1, 1, 3)
    noise = generator.normal(0, 0.1 * seed, (height, width, 3))
    levels = generator.uniform(64, 192, 3) + 127 * (plane + noise)
    return np.clip(levels, 0, 255).astype(np.uint8)


def _sample_files(side: int) -> list[bytes]:
    """JPEGs and PNGs of several sizes."""
    images = [
        _sample(number, side + 16 * number, 2 * side)
        for number in range(_NUM_IMAGES)
    ]
    encoders = (tf.io.encode_jpeg, tf.io.encode_png)
    return [
        encoders[number % 2](image).numpy()
        for number, image in enumerate(images)
    ]


def _decoded(exportable: Exportable, encoded: list[bytes]) -> np.ndarray:
    """The images as the evaluation's pipeline decodes them."""
    view = views.plain_view(exportable.image_format)
    seeds = tf.zeros([len(encoded), 2], tf.int64)
    images, _ = decoding.decode_batch(tf.constant(encoded), seeds, view)
    return images["image"].numpy()


def _answer_saved_model(path: epath.Path, images: np.ndarray) -> np.ndarray:
    loaded = tf.saved_model.load(str(path))
    answer = loaded.signatures[serving.IMAGES]
    return answer(images=tf.constant(images))["logits"].numpy()


def _answer_encoded(path: epath.Path, encoded: list[bytes]) -> np.ndarray:
    loaded = tf.saved_model.load(str(path))
    answer = loaded.signatures[serving.ENCODED]
    return answer(encoded=tf.constant(encoded))["logits"].numpy()


def _write_keras(exportable: Exportable, path: epath.Path) -> None:
    exportable.model.save(path)


def _answer_keras(path: epath.Path, images: np.ndarray) -> np.ndarray:
    model = keras.saving.load_model(path, compile=False)
    return np.asarray(model(images, training=False))


def _write_onnx(exportable: Exportable, path: epath.Path) -> None:
    _export(exportable, path, "onnx")


def _export(exportable: Exportable, path: epath.Path, name: str) -> None:
    """Lets Keras write a format, of images as the model takes them."""
    shape = exportable.model.input_shape
    images = tf.TensorSpec(shape, tf.float32, "images")
    exportable.model.export(
        path, format=name, verbose=False, input_signature=[images]
    )


def _answer_onnx(path: epath.Path, images: np.ndarray) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    [given] = session.get_inputs()
    return session.run(None, {given.name: images})[0]


def _write_litert(exportable: Exportable, path: epath.Path) -> None:
    _export(exportable, path, "litert")


def _answer_litert(path: epath.Path, images: np.ndarray) -> np.ndarray:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    [given], [answers] = (
        interpreter.get_input_details(),
        interpreter.get_output_details(),
    )
    interpreter.resize_tensor_input(given["index"], images.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(given["index"], images)
    interpreter.invoke()
    return interpreter.get_tensor(answers["index"])


FORMATS = {
    # TensorFlow Serving takes the number for the model's version.
    "saved_model": Format("saved_model/1", serving.save, _answer_saved_model),
    "keras": Format("model.keras", _write_keras, _answer_keras),
    "onnx": Format(
        "model.onnx",
        _write_onnx,
        _answer_onnx,
        ("tf2onnx", "onnx", "onnxruntime"),
    ),
    "litert": Format(
        "model.tflite", _write_litert, _answer_litert, ("ai_edge_litert",)
    ),
}

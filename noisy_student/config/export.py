"""Settings of what a model is exported as."""

import dataclasses

from noisy_student.config.settings import Settings, setting

FORMATS = ("saved_model", "keras", "onnx", "litert")


@dataclasses.dataclass(frozen=True)
class ExportConfig(Settings):
    """What --mode=export writes, and where.

    The model is the one that --mode=eval evaluates; of a self-training run,
    the newest.
    """

    export_dir: str | None = setting(None, none=("",))
    """Directory of the exported model, which must not exist or be empty."""

    format: tuple[str, ...] = setting(("saved_model",), choices=FORMATS)
    """What to write: saved_model (for TensorFlow and TensorFlow Serving, of
    images and of encoded images), keras (a .keras file of Keras' own layers),
    onnx and litert (.tflite)."""

    central_crop: bool | None = setting(None)
    """Whether the SavedModel cuts encoded images to their central square, as
    photographs are evaluated, or only resizes them, as images of one small
    size are. Default: as the model was trained."""

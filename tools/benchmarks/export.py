"""How fast exported models are.

  python -m tools.benchmarks.export --rounds=7
  python -m tools.benchmarks.export --export_sides=32

saved_model: the exported signature of images against the compiled model that
it was made of, images/s at batches of 32. onnx: the same of ONNX Runtime.
bytes: the exported signature of JPEGs against decoding and the compiled model
apart. The JSON has the ratios, the smallest over the sides; the time of one
image is printed beside.
"""

import functools
import json
import tempfile
from collections.abc import Callable

import keras
import tensorflow as tf
from absl import app
from etils import epath

from noisy_student import export, models
from noisy_student.config.paths import to_path
from noisy_student.data import decoding, views
from noisy_student.export import serving
from tools.benchmarks import choices, growth, photographs, turns

_BATCH_SIZE = 32
_FORMATS = ("saved_model", "onnx")
# Width and height of the JPEGs by the side of the model's images, in pixels.
_JPEGS = {"32": (32, 32), "224": (500, 375)}

Runs = dict[str, Callable[[], object]]


def make_exportable(side: int) -> export.Exportable:
    """Returns a B0 for 1,000 classes, that of small images at 32 pixels."""
    small = _JPEGS[str(side)][0] == side
    reference = models.build_model(
        growth.model_config("efficientnet-b0", side, small)
    )
    return export.Exportable(
        reference,
        export.to_stock(reference),
        views.ImageFormat(side, small, horizontal_flip=False),
        tuple(map(str, range(1000))),
    )


def compiled(model: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns a compiled call of a model without noise."""
    return tf.function(lambda images: model(images, training=False))


def image_runs(
    exportable: export.Exportable, directory: epath.Path, batch_size: int
) -> Runs:
    """Returns turns on images in memory: of the model, and of its exports."""
    import onnxruntime

    side = exportable.image_format.side
    images, _ = growth.images_and_labels(side, batch_size)
    array = images.numpy()
    call = compiled(exportable.reference)
    served = tf.saved_model.load(
        str(directory / export.FORMATS["saved_model"].path)
    ).signatures[serving.IMAGES]
    session = onnxruntime.InferenceSession(
        directory / export.FORMATS["onnx"].path
    )
    return {
        "model": lambda: call(images).numpy(),
        "saved_model": lambda: served(images=images)["logits"].numpy(),
        "onnx": lambda: session.run(None, {"images": array}),
    }


def file_runs(
    exportable: export.Exportable, directory: epath.Path, batch_size: int
) -> Runs:
    """Returns turns on JPEGs: decoding, the model, and both as exported."""
    side = exportable.image_format.side
    encoded = tf.constant(photographs.jpegs(*_JPEGS[str(side)], batch_size))
    view = views.plain_view(exportable.image_format)
    seeds = tf.zeros([batch_size, 2], tf.int64)
    decode = tf.function(lambda: decoding.decode_batch(encoded, seeds, view))
    images = decode()[0]["image"]
    call = compiled(exportable.reference)
    served = tf.saved_model.load(
        str(directory / export.FORMATS["saved_model"].path)
    ).signatures[serving.ENCODED]
    return {
        "decoding": lambda: decode()[0]["image"].numpy(),
        "model": lambda: call(images).numpy(),
        "bytes": lambda: served(encoded=encoded)["logits"].numpy(),
    }


def measure(side: int, rounds: int) -> dict[str, float]:
    """Prints the times of both batch sizes; returns the ratios of the large."""
    exportable = make_exportable(side)
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        directory = to_path(name)
        for kind in _FORMATS:
            export.write(kind, exportable, directory)
        for batch_size in (1, _BATCH_SIZE):
            make = functools.partial(
                _seconds, exportable, directory, batch_size, rounds
            )
            images, files = make(image_runs), make(file_runs)
            found = {
                "saved_model": images["model"] / images["saved_model"],
                "onnx": images["model"] / images["onnx"],
                "bytes": (files["decoding"] + files["model"]) / files["bytes"],
            }
    return found


def _seconds(
    exportable: export.Exportable,
    directory: epath.Path,
    batch_size: int,
    rounds: int,
    make: Callable[[export.Exportable, epath.Path, int], Runs],
) -> dict[str, float]:
    seconds = turns.seconds(make(exportable, directory, batch_size), rounds)
    side = exportable.image_format.side
    times = ", ".join(f"{k} {1000 * x:.1f} ms" for k, x in seconds.items())
    print(f"{side:>5} px, batch {batch_size:>2}: {times}", flush=True)
    return seconds


_SIDES = choices.define("export_sides", _JPEGS, "Sides of the images.")


def main(_: list[str]) -> None:
    """Prints the times and the ratios."""
    ratios: dict[str, float] = {}
    for side in _SIDES.value:
        for name, ratio in measure(int(side), turns.ROUNDS.value).items():
            ratios[name] = min(ratio, ratios.get(name, ratio))
    print(json.dumps({name: round(x, 3) for name, x in ratios.items()}))


if __name__ == "__main__":
    app.run(main)

"""Runs exported models where this project is not; started by `python -I`.

  python -I tests/export/outside.py EXPORT INPUTS.npz OUTPUTS.npz

INPUTS has `images`, float32 (batch, side, side, 3), and `encoded`, the
contents of files as objects of bytes. OUTPUTS has the logits of each format.
"""

import importlib.util
import pathlib
import sys

import numpy as np


def saved_model(directory, images, encoded):
    import tensorflow as tf

    loaded = tf.saved_model.load(str(directory))
    of_images = loaded.signatures["serving_default"](images=tf.constant(images))
    files = tf.constant(encoded.tolist())
    of_files = loaded.signatures["serve_encoded"](encoded=files)
    names = (directory / "assets/classes.txt").read_text().splitlines()
    yield "saved_model", of_images["logits"]
    yield "probabilities", of_images["probabilities"]
    yield "encoded", of_files["logits"]
    yield "class_names", np.array(names)


def keras_file(path, images, encoded):
    import keras

    yield "keras", keras.saving.load_model(path)(images.astype(np.uint8))


def onnx(path, images, encoded):
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    yield "onnx", session.run(None, {"images": images})[0]


def litert(path, images, encoded):
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(str(path)).get_signature_runner()
    answers = [run(images=image[None])["output_0"] for image in images]
    yield "litert", np.concatenate(answers)


def main(directory, inputs, outputs):
    assert importlib.util.find_spec("noisy_student") is None
    found = {}
    with np.load(inputs, allow_pickle=True) as given:
        arguments = given["images"], given["encoded"]
    for name, run in (
        ("saved_model/1", saved_model),
        ("model.keras", keras_file),
        ("model.onnx", onnx),
        ("model.tflite", litert),
    ):
        path = pathlib.Path(directory) / name
        if path.exists():
            found |= dict(run(path, *arguments))
    np.savez(outputs, **{name: np.asarray(x) for name, x in found.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])

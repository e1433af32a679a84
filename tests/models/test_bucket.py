"""Models in a bucket are those of a disk."""

import keras
import numpy as np
import pytest

from noisy_student import models
from noisy_student.config import EvaluationConfig, ModelConfig
from noisy_student.errors import InputError
from noisy_student.files import remote, writing
from noisy_student.models import foreign
from noisy_student.models.importers import keras_applications
from tests.models import short

TINY = ModelConfig("efficientnet-b0", 3, 16, width_coefficient=0.1)


def upload(source, target):
    for path in remote.files_below(source):
        writing.copy(path, target / path.relative_to(source))


def test_a_model_is_saved_and_loaded(bucket, tmp_path):
    with short.networks():
        model = models.build_model(TINY)
    path = bucket / "run" / "model.keras"
    models.save_model(model, path)
    images = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3))
    found = models.load_model(str(path))
    np.testing.assert_array_equal(found(images), model(images))
    assert models.resolve_model_path(path.parent) == str(path)
    writing.copy(path, tmp_path / "model.keras")
    assert models.digest(path) == models.digest(tmp_path / "model.keras")
    writing.write_text(path, "no archive")
    with pytest.raises(InputError, match=r"ram://.* is no Keras model: it"):
        models.load_model(path)


def test_a_checkpoint_of_the_original_is_found(bucket, fixtures):
    local = fixtures / "svhn_small"
    upload(local, bucket / "svhn")
    # Where it was before it was copied.
    state = 'model_checkpoint_path: "/another/place/model.ckpt"\n'
    writing.write_text(bucket / "svhn" / "checkpoint", state)
    prefix = models.resolve_model_path(bucket / "svhn")
    assert prefix == "ram://bucket/svhn/model.ckpt"
    assert models.digest(prefix) == models.digest(local / "model.ckpt")
    (bucket / "svhn" / "checkpoint").unlink()
    with pytest.raises(ValueError, match=r"Name one in it, ram://.*model\.ckp"):
        models.resolve_model_path(bucket / "svhn")


@pytest.mark.parametrize("form", ["model.keras", "saved"])
def test_a_model_made_elsewhere_is_loaded(bucket, tmp_path, form):
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Dense(3)(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, outputs)
    (model.save if form == "model.keras" else model.export)(tmp_path / form)
    upload(tmp_path, bucket / "models")
    path = bucket / "models" / form
    found = foreign.load_foreign(
        EvaluationConfig(model_path=str(path)), num_classes=3, side=8
    )
    images = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3))
    images = images.astype(np.float32)
    np.testing.assert_allclose(found(images), model(images), rtol=1e-5)
    assert foreign.digest(path) == foreign.digest(tmp_path / form)
    if form == "saved":
        with pytest.raises(
            InputError, match=r"saved_model\.pb; name ram://.*/sav"
        ):
            foreign.load_foreign(
                EvaluationConfig(model_path=str(path.parent)), 3, 8
            )


def test_a_file_of_keras_weights_is_read(bucket, tmp_path):
    source = keras.applications.EfficientNetB0(weights=None, include_top=False)
    source.save_weights(tmp_path / "b0.weights.h5")
    upload(tmp_path, bucket)
    config = ModelConfig("efficientnet-b0", input_image_size=32)
    found = keras_applications.load(bucket / "b0.weights.h5", config)
    for one, other in zip(found.weights, source.weights, strict=True):
        np.testing.assert_array_equal(one, other)

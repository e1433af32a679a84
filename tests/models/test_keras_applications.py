import keras
import numpy as np
import pytest

from noisy_student.config import ModelConfig
from noisy_student.errors import InputError
from noisy_student.models import efficientnet
from noisy_student.models.importers import keras_applications, weights


def randomized(model):
    """Norms away from where they start, so that each counts."""
    generator = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            for weight in layer.weights:
                weight.assign(generator.uniform(0.7, 1.3, weight.shape))
    return model


def stock(name, **kwargs):
    keras.utils.set_random_seed(0)
    build = getattr(keras.applications, f"EfficientNet{name}")
    return randomized(build(weights=None, classifier_activation=None, **kwargs))


def imported(source, config):
    config = keras_applications.with_normalization(config, source)
    model = efficientnet.build_model(config)
    weights.assign(model, keras_applications.read(source), source.name)
    return model


def assert_same_logits(model, source):
    side = source.input_shape[1]
    images = np.random.default_rng(1).uniform(0, 255, (2, side, side, 3))
    truth = source(images).numpy()
    np.testing.assert_allclose(model(images), truth, atol=1e-4)
    assert truth.std() > 0.01


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "name",
    ["B0", *(pytest.param(f"B{number}", marks=SLOW) for number in (1, 2, 3))],
)
def test_logits_equal_keras(name):
    source = stock(name)
    config = ModelConfig(f"efficientnet-{name.lower()}", 1000)
    assert_same_logits(imported(source, config), source)


@pytest.fixture
def small():
    return stock("B0", input_shape=(32, 32, 3), classes=7)


CONFIG = ModelConfig("efficientnet-b0", 7, input_image_size=32)


@pytest.mark.parametrize(
    "file",
    [
        "whole.keras",
        pytest.param("b0.weights.h5", marks=pytest.mark.slow),
        pytest.param("b0.h5", marks=pytest.mark.slow),
    ],
)
def test_files_of_keras_are_read(file, small, tmp_path):
    path = tmp_path / file
    if file.endswith(".weights.h5"):
        small.save_weights(path)
    else:
        small.save(path)
    source = keras_applications.load(path, CONFIG)
    assert_same_logits(imported(source, CONFIG), small)


def test_weights_without_classifier_need_a_new_head(tmp_path):
    source = stock("B0", input_shape=(32, 32, 3), include_top=False)
    source.save_weights(tmp_path / "no_top.weights.h5")
    loaded = keras_applications.load(tmp_path / "no_top.weights.h5", CONFIG)
    arrays = keras_applications.read(loaded)
    model = efficientnet.build_model(CONFIG)
    with pytest.raises(InputError, match="missing: head/dense/kernel"):
        weights.assign(model, arrays, "x")
    assert weights.assign(model, arrays, "x", allow_new_head=True)


def test_normalization_is_taken_from_the_source(small):
    """As it is, and as Keras' files for ImageNet have it.

    Those keep the deviation in the variance's place.
    """
    mean = np.array([0.485, 0.456, 0.406])
    std = np.array([0.229, 0.224, 0.225])
    layer = small.get_layer(
        next(x.name for x in small.layers if "normalization" in x.name)
    )
    for variance in (std**2, std):
        layer.set_weights([mean, variance, np.array(0)])
        layer.finalize_state()
        config = keras_applications.with_normalization(CONFIG, small)
        np.testing.assert_allclose(config.mean, mean, atol=1e-5)
        np.testing.assert_allclose(config.std, std, rtol=1e-4)


def test_the_wrong_model_is_named(small, tmp_path):
    small.save_weights(tmp_path / "b0.weights.h5")
    config = ModelConfig("efficientnet-b3", 7, input_image_size=32)
    with pytest.raises(InputError, match="efficientnet-b3"):
        keras_applications.load(tmp_path / "b0.weights.h5", config)


def test_files_of_weights_know_no_overrides(small, tmp_path):
    small.save_weights(tmp_path / "b0.weights.h5")
    config = ModelConfig("efficientnet-b0", 7, 32, width_coefficient=0.5)
    with pytest.raises(InputError, match=r"Save the whole model as \.keras"):
        keras_applications.load(tmp_path / "b0.weights.h5", config)


def test_another_network_is_refused():
    inputs = keras.Input((32, 32, 3))
    other = keras.Model(inputs, keras.layers.Flatten()(inputs), name="other")
    with pytest.raises(
        InputError, match=r"other is no .* no layer 'stem_conv'"
    ):
        keras_applications.read(other)


def test_a_second_version_is_refused():
    other = keras.applications.EfficientNetV2B0(
        weights=None, include_top=False, input_shape=(32, 32, 3)
    )
    with pytest.raises(InputError, match="is no EfficientNet"):
        keras_applications.read(other)


def test_a_source_of_any_size_normalises():
    source = stock("B0", include_top=False)
    config = keras_applications.with_normalization(CONFIG, source)
    np.testing.assert_allclose(config.mean, np.zeros(3), atol=1e-6)
    np.testing.assert_allclose(config.std, np.ones(3), rtol=1e-5)


def test_a_source_of_grey_images_is_refused():
    source = stock("B0", input_shape=(32, 32, 1), classes=7)
    with pytest.raises(InputError, match="1 channels, not 3"):
        keras_applications.with_normalization(CONFIG, source)

"""The network of Keras' own layers equals ours."""

import dataclasses

import keras
import numpy as np
import pytest

from noisy_student import export, models
from noisy_student.errors import InputError
from noisy_student.models import blocks, dropout
from tests.models.small import SMALL

SMALLEST = dataclasses.replace(
    SMALL, width_coefficient=0.1, depth_coefficient=0.1
)
PHOTOGRAPHS = dataclasses.replace(
    SMALLEST, small_image_model=False, input_image_size=64
)


def made(config):
    """A model with norms that have seen images."""
    model = models.build_model(config)
    generator = np.random.default_rng(0)
    for weight in model.weights:
        shape = weight.shape
        match weight.name:
            case "gamma" | "moving_variance":
                weight.assign(generator.uniform(0.5, 2, shape))
            case "beta" | "moving_mean" | "bias":
                weight.assign(generator.normal(0, 0.1, shape))
    return model


def images_for(model, seed=1):
    shape = (3, *model.input_shape[1:])
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def largest_distance(logits, expected):
    """As a share of the range of what is expected."""
    logits, expected = np.asarray(logits), np.asarray(expected)
    return np.abs(logits - expected).max() / np.ptp(expected)


LITE = dataclasses.replace(SMALL, model_name="efficientnet-lite0")


@pytest.fixture(scope="module", params=[SMALL, PHOTOGRAPHS, LITE])
def model(request):
    return made(request.param)


def test_logits_are_the_same(model):
    images = images_for(model)
    stock = export.to_stock(model)
    expected = model(images, training=False)
    assert largest_distance(stock(images), expected) < 1e-5
    floats = images.astype(np.float32)
    assert largest_distance(stock(floats), expected) < 1e-5


def test_all_layers_are_keras_own(model):
    for layer in export.to_stock(model).layers:
        assert type(layer).__module__.startswith("keras.src.layers"), layer
        assert not isinstance(layer, keras.layers.BatchNormalization)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_models_of_lower_precision_become_float32(precision, tmp_path):
    model = made(dataclasses.replace(SMALL, precision=precision))
    models.save_model(model, tmp_path / "model.keras")
    converted = export.in_float32(models.load_model(tmp_path / "model.keras"))
    reference = models.build_model(SMALL)
    reference.set_weights(model.get_weights())
    images = images_for(model)
    expected = reference(images, training=False)
    assert largest_distance(converted(images), expected) < 1e-6
    assert largest_distance(export.to_stock(converted)(images), expected) < 1e-5
    assert largest_distance(model(images, training=False), expected) > 1e-4


def test_the_variant_of_the_network_is_known():
    assert models.is_for_small_images(models.build_model(SMALL))
    assert not models.is_for_small_images(models.build_model(PHOTOGRAPHS))


def test_networks_from_elsewhere_lose_their_dropout():
    images = keras.Input((8, 8, 3))
    x = dropout.Dropout(0.5)(keras.layers.Flatten()(images))
    model = keras.Model(images, keras.layers.Dense(2)(x))
    stock = export.to_stock(model)
    given = images_for(model)
    np.testing.assert_allclose(stock(given), model(given), rtol=1e-6)
    kinds = {type(layer).__module__.split(".")[0] for layer in stock.layers}
    assert kinds == {"keras"}


def test_a_mixture_is_refused():
    images = keras.Input((8, 8, 3))
    x = blocks.ConvNorm(4, 3, 2, "swish")(images)
    outputs = keras.layers.Dense(2)(keras.layers.Flatten()(x))
    with pytest.raises(InputError, match="name a model made elsewhere by mod"):
        export.to_stock(keras.Model(images, outputs))

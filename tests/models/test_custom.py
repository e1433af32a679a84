"""Networks of keras.applications, and of a function."""

import sys

import keras
import numpy as np
import pytest

from noisy_student import models
from noisy_student.config import ModelConfig
from noisy_student.errors import InputError
from noisy_student.models import custom


def config(name, **settings):
    return ModelConfig(name, num_classes=4, input_image_size=64, **settings)


def images(count=2, side=64):
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (count, side, side, 3)).astype("uint8")


@pytest.mark.parametrize(
    "name",
    [
        "MobileNetV2",  # pixels to [-1, 1]
        "EfficientNetV2B0",  # which has its own inside
        "VGG16",  # BGR less a mean
        pytest.param("DenseNet121", marks=pytest.mark.slow),  # torch's
    ],
)
def test_pixels_are_those_of_keras(name):
    layer = custom._pixels(name)
    given = images()
    expected = custom._module(name).preprocess_input(
        given.astype("float32").copy()
    )
    np.testing.assert_allclose(layer(given), expected, rtol=1e-5, atol=2e-5)
    assert not layer.trainable_weights


def test_a_network_of_keras_is_one_of_ours(tmp_path):
    model = models.build_model(config("keras:MobileNetV2", dropout_rate=0.5))
    given = images()
    logits = np.array(model(given, training=False))
    assert logits.shape == (2, 4) and logits.dtype == np.float32
    # Uint8 or float, and the same from its file.
    as_float = model(given.astype("float32"))
    np.testing.assert_allclose(as_float, logits, atol=1e-5)
    models.save_model(model, tmp_path / "model.keras")
    loaded = models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(given), logits, atol=1e-5)
    truth = keras.applications.MobileNetV2(
        include_top=False, weights=None, input_shape=(64, 64, 3), pooling="avg"
    )
    [trunk] = [x for x in model.layers if isinstance(x, keras.Model)]
    truth.set_weights(trunk.get_weights())
    features = truth(given.astype("float32") / 127.5 - 1, training=False)
    kernel, bias = model.layers[-1].get_weights()
    np.testing.assert_allclose(features @ kernel + bias, logits, atol=1e-4)
    assert models.moving_statistics(model)
    assert not np.allclose(model(given, training=True), logits)


def test_features_may_be_of_less_precision():
    settings = config("keras:MobileNetV2", precision="bfloat16")
    model = models.build_model(settings)
    assert model.output.dtype == "float32"
    [trunk] = [x for x in model.layers if isinstance(x, keras.Model)]
    assert trunk.layers[1].compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == "float32"


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module with functions that build networks."""
    (tmp_path / "own_networks.py").write_text(
        """
import keras

def _network(
    classes, side, activation=None, scale=1 / 255, dtype="float32"
):
    return keras.Sequential([
        keras.Input((side, side, 3)),
        keras.layers.Rescaling(scale),
        keras.layers.Conv2D(8, 3, 4, activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(classes, activation=activation, dtype=dtype),
    ])

def small(classes, side):
    return _network(classes, side)

def probabilities(classes, side):
    return _network(classes, side, "softmax")

def infinite(classes, side):
    return _network(classes, side, scale=1e38)

def unnormalized(classes, side):
    return _network(classes, side, scale=1)

def other_classes(classes, side):
    return _network(classes + 1, side)

def other_side(classes, side):
    return _network(classes, side // 2)

def half(classes, side):
    return _network(classes, side, dtype="float16")

def nothing(classes, side):
    return None

number = 3
"""
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("own_networks", None)


def test_a_function_builds_a_network(own):
    model = models.build_model(config("own_networks:small"))
    assert model.output_shape == (None, 4)
    models.check_model(config("own_networks:small"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own_networks:probabilities", "returns probabilities, which sum to 1"),
        ("own_networks:infinite", "numbers that are not finite for pixels in"),
        (
            "own_networks:other_classes",
            r"logits of \(None, 4\); it returns",
        ),
        ("own_networks:other_side", r"images of \(None, 64, 64, 3\); it takes"),
        ("own_networks:nothing", "must return a keras.Model; it returned a No"),
        ("own_networks:half", "must return float32 logits; it returns float16"),
        ("own_networks:number", "is no function"),
        ("own_networks:missing", "is not there"),
        ("missing:small", "is not there"),
        ("keras:NoNet", "is no network of keras.applications, which has Conv"),
    ],
)
def test_other_functions_are_refused(own, name, message):
    with pytest.raises(ValueError, match=message):
        models.check_model(config(name))


def test_pixels_that_are_not_normalized_are_warned_of(own, warnings):
    for name in ("own_networks:small", "keras:MobileNetV2"):
        models.check_model(config(name))
    assert not warnings
    models.check_model(config("own_networks:unnormalized"))
    [warning] = warnings
    assert "does it normalise the pixels" in warning


def test_weights_of_the_same_network_fit(own, tmp_path):
    settings = config("own_networks:small")
    first, second = (models.build_model(settings) for _ in range(2))
    path = tmp_path / "model.keras"
    models.save_model(first, path)
    assert not models.start_from(str(path), second, settings, False)
    np.testing.assert_array_equal(first(images()), second(images()))
    more = ModelConfig("own_networks:small", 7, 64)
    third = models.build_model(more)
    with pytest.raises(InputError, match="allow_new_head where only the class"):
        models.start_from(str(path), third, more, False)
    assert models.start_from(str(path), third, more, True)
    for one, other in zip(
        first.get_weights()[:-2], third.get_weights()[:-2], strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert not np.any(third(images()))  # the new classifier starts at 0
    with pytest.raises(InputError, match="no weights imagenet of own_networks"):
        models.start_from("imagenet", third, more, False)


def test_settings_without_a_meaning_are_told(own, warnings):
    models.check_name(config("keras:MobileNetV2", width_coefficient=0.5))
    models.check_name(config("own_networks:small", dropout_rate=0.5))
    models.check_name(config("keras:MobileNetV2", dropout_rate=0.5))
    assert warnings == [
        "width_coefficient mean nothing to model_name=keras:MobileNetV2.",
        "dropout_rate mean nothing to model_name=own_networks:small.",
    ]

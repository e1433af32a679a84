"""Frozen layers neither learn, nor drop, nor move their statistics."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from noisy_student.models import efficientnet
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

import dataclasses
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from noisy_student.config import ModelConfig
from noisy_student.models import efficientnet
from noisy_student.models.importers import original, weights
from tests.models.small import SMALL, gradients_of


@pytest.mark.parametrize(
    ("suffix", "truth"),
    [("", "logits_raw"), ("/ExponentialMovingAverage", "logits_ema")],
)
def test_logits_equal_the_original(fixtures, suffix, truth):
    model = efficientnet.build_model(SMALL)
    prefix = str(fixtures / "svhn_small/model.ckpt")
    arrays = original.read(prefix, averaged=bool(suffix))
    weights.assign(model, arrays, prefix)
    images = np.load(fixtures / "svhn_small/images.npy")
    expected = np.load(fixtures / f"svhn_small/{truth}.npy")
    np.testing.assert_allclose(model(images), expected, atol=1e-4)


@pytest.fixture
def no_initial_draws(monkeypatch):
    """Weights of zeros: the largest models would take a minute to draw."""

    def zeros(self, shape, dtype=None):
        return tf.zeros(shape, dtype or tf.float32)

    monkeypatch.setattr(keras.initializers.VarianceScaling, "__call__", zeros)


PARAMETERS = {
    "efficientnet-b0": 5288548,
    "efficientnet-b1": 7794184,
    "efficientnet-b2": 9109994,
    "efficientnet-b3": 12233232,
    "efficientnet-b4": 19341616,
    "efficientnet-b5": 30389784,
    "efficientnet-b6": 43040704,
    "efficientnet-b7": 66347960,
    "efficientnet-l0": 140764664,
    "efficientnet-l1": 272630564,
    "efficientnet-l2": 480309308,
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name, marks=[] if name.endswith("b0") else pytest.mark.slow
        )
        for name in PARAMETERS
    ],
)
def test_parameter_counts_and_variables_are_the_originals(
    name, fixtures, no_initial_draws
):
    model = efficientnet.build_model(ModelConfig(name, num_classes=1000))
    count = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert count == PARAMETERS[name]
    if name.removeprefix("efficientnet-") not in ("b0", "b7", "l2"):
        return  # of the others only the counts are known
    listing = fixtures / f"variables/{name}.txt"
    originals = {
        id(variable): own
        for own, variable in weights.variables_by_name(model).items()
    }
    ours = [
        [
            f"{name}/{originals[id(weight)]}",
            ",".join(map(str, weight.shape)),
            "trainable" if weight.trainable else "non-trainable",
        ]
        for weight in model.weights
    ]
    truth = [line.split() for line in listing.read_text().splitlines()]
    assert ours == truth  # in the order of creation, too


def test_takes_uint8_and_float_alike_and_returns_float32():
    model = efficientnet.build_model(SMALL)
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3))
    logits = model(images.astype(np.uint8))
    assert logits.dtype == tf.float32 and logits.shape == (3, 10)
    np.testing.assert_array_equal(logits, model(images.astype(np.float32)))


def test_model_noise_is_for_training_only():
    model = efficientnet.build_model(SMALL)
    images = np.full((2, 32, 32, 3), 100, np.uint8)
    np.testing.assert_array_equal(model(images), model(images))
    noised = [model(images, training=True) for _ in range(2)]
    assert not np.allclose(*noised)


def test_block_i_is_dropped_at_rate_i_over_n():
    """Measured, over many draws of each block with an identity skip."""
    keras.utils.set_random_seed(0)
    model = efficientnet.build_model(
        ModelConfig("efficientnet-b0", 10, stochastic_depth_rate=0.4)
    )
    draws = 20_000
    dropped = {}
    for index in range(16):
        block = model.get_layer(f"blocks_{index}")
        if block.has_skip:
            ones = tf.ones([draws, 1, 1, 1])
            kept = block.drop(ones, training=True).numpy() != 0
            dropped[index] = 1 - kept.mean()
    assert sorted(dropped) == [2, 4, 6, 7, 9, 10, 12, 13, 14]
    for index, share in dropped.items():
        rate = 0.4 * index / 16
        assert abs(share - rate) < 4 * (rate * (1 - rate) / draws) ** 0.5


def test_a_dropped_residual_leaves_the_skip():
    model = efficientnet.build_model(
        dataclasses.replace(SMALL, depth_coefficient=1.0)
    )
    block = model.get_layer("blocks_2")
    block.drop.rate = 0.5
    x = tf.random.normal([64, 4, 4, block.get_config()["input_filters"]])
    difference = tf.reduce_max(tf.abs(block(x, training=True) - x), (1, 2, 3))
    dropped = np.sum(difference == 0)
    assert 15 < dropped < 49


def test_initial_weights_have_the_original_distribution():
    keras.utils.set_random_seed(0)
    model = efficientnet.build_model(ModelConfig("efficientnet-b0", 1000))
    kernel = model.get_layer("head").kernel.numpy()
    assert kernel.std() == pytest.approx((2 / 1280) ** 0.5, rel=0.02)
    kernel = model.get_layer("blocks_10").depthwise.kernel.numpy()
    assert kernel.std() == pytest.approx((2 / 25) ** 0.5, rel=0.02)
    kernel = model.get_layer("logits").kernel.numpy()
    assert np.abs(kernel).max() == pytest.approx(1000**-0.5, rel=1e-3)
    assert kernel.std() == pytest.approx((1 / 3000) ** 0.5, rel=0.02)
    # Two layers of one shape must not start alike.
    first, second = (
        model.get_layer(f"blocks_{index}").expand.kernel.numpy()
        for index in (6, 7)
    )
    assert first.shape != second.shape or not np.allclose(first, second)
    norms = [
        model.get_layer(f"blocks_{index}").project.kernel.numpy()
        for index in (13, 14)
    ]
    assert not np.allclose(*norms)


@pytest.mark.slow
def test_saved_model_gives_the_same_logits_in_a_new_process(tmp_path):
    model = efficientnet.build_model(SMALL)
    model.save(tmp_path / "model.keras")
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    np.save(tmp_path / "images.npy", images)
    code = (
        "import numpy, noisy_student; "
        f"model = noisy_student.load_model(r'{tmp_path}/model.keras'); "
        f"images = numpy.load(r'{tmp_path}/images.npy'); "
        f"numpy.save(r'{tmp_path}/logits.npy', model(images))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    np.testing.assert_allclose(
        np.load(tmp_path / "logits.npy"), model(images), atol=1e-5
    )


@pytest.mark.slow
def test_bfloat16_features_and_float32_results():
    keras.utils.set_random_seed(0)
    plain = efficientnet.build_model(SMALL)
    half = efficientnet.build_model(
        dataclasses.replace(SMALL, use_bfloat16=True)
    )
    half.set_weights(plain.get_weights())
    images = np.random.default_rng(0).uniform(0, 255, (8, 32, 32, 3))
    logits = half(images)
    assert logits.dtype == tf.float32
    assert half.get_layer("blocks_1")(tf.ones([1, 8, 8, 8])).dtype == "bfloat16"
    truth = plain(images).numpy()
    assert np.abs(logits - truth).max() < 0.05 * np.abs(truth).max()
    loss, gradients = gradients_of(half, images)
    assert loss.dtype == tf.float32
    assert {gradient.dtype for gradient in gradients} == {tf.float32}
    assert all(np.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize(("small", "side"), [(True, 8), (False, 32)])
def test_images_smaller_than_the_strides_are_refused(small, side):
    config = dataclasses.replace(
        SMALL, small_image_model=small, input_image_size=side
    )
    efficientnet.check_model(config)
    config = dataclasses.replace(config, input_image_size=side - 1)
    with pytest.raises(ValueError, match=f"input_image_size={side - 1}"):
        efficientnet.build_model(config)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 32, 32, 1), r"takes RGB images .* got shape \(2, 32, 32, 1\)"),
        ((2, 32, 32, 4), r"ncompatible.*\(2, 32, 32, 4\)"),
        ((32, 32, 3), r"takes RGB images|ncompatible"),
    ],
)
def test_images_of_the_wrong_shape_are_refused(shape, message):
    model = efficientnet.build_model(SMALL)
    with pytest.raises(ValueError, match=f"(?s){message}"):
        model(np.zeros(shape, np.uint8))


def test_replicas_must_fit_the_groups_of_norms():
    config = dataclasses.replace(SMALL, num_shards_per_group=2)
    efficientnet.check_model(config, replicas=4)
    with pytest.raises(ValueError, match="3 replicas make no groups of 2"):
        efficientnet.check_model(config, replicas=3)

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from noisy_student import tasks
from noisy_student.config import ModelConfig
from noisy_student.models import efficientnet, layers

SMALL = ModelConfig(
    "efficientnet-b0",
    num_classes=10,
    input_image_size=32,
    width_coefficient=0.25,
    depth_coefficient=0.34,
    small_image_model=True,
    mean=tasks.KNOWN["svhn_cropped"].mean,
    std=tasks.KNOWN["svhn_cropped"].std,
)


def load_original(model, fixtures, suffix):
    """Puts the original's checkpoint into a model, in creation order."""
    folder = fixtures / "svhn_small"
    reader = tf.train.load_checkpoint(str(folder / "model.ckpt"))
    lines = (folder / "variables_creation_order.txt").read_text().split("\n")
    names = [line.split()[0] for line in lines if line]
    model.set_weights([reader.get_tensor(name + suffix) for name in names])


@pytest.mark.parametrize(
    ("suffix", "truth"),
    [("", "logits_raw"), ("/ExponentialMovingAverage", "logits_ema")],
)
def test_logits_equal_the_original(fixtures, suffix, truth):
    model = efficientnet.build_model(SMALL)
    load_original(model, fixtures, suffix)
    images = np.load(fixtures / "svhn_small/images.npy")
    expected = np.load(fixtures / f"svhn_small/{truth}.npy")
    np.testing.assert_allclose(model(images), expected, atol=1e-4)


def test_variables_have_the_original_order_shapes_and_trainability(fixtures):
    model = efficientnet.build_model(
        ModelConfig("efficientnet-b0", num_classes=1000)
    )
    lines = (fixtures / "variables/efficientnet-b0.txt").read_text()
    truth = [line.split() for line in lines.strip().split("\n")]
    ours = [
        [
            ",".join(map(str, weight.shape)),
            "trainable" if weight.trainable else "non-trainable",
        ]
        for weight in model.weights
    ]
    assert ours == [line[1:] for line in truth]


@pytest.mark.parametrize("name", ["efficientnet-b0", "efficientnet-b3"])
def test_parameter_counts_equal_the_original(name, fixtures):
    truth = json.loads((fixtures / "variables/param_counts.json").read_text())
    model = efficientnet.build_model(ModelConfig(name, num_classes=1000))
    count = sum(np.prod(v.shape) for v in model.trainable_variables)
    assert count == truth[name]["params_trainable"]


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
    model = efficientnet.build_model(
        ModelConfig("efficientnet-b0", 10, stochastic_depth_rate=0.4)
    )
    rates = {
        int(layer.name.split("_")[1]): layer.rate
        for layer in model.layers
        if isinstance(layer, layers.StochasticDepth)
    }
    # Blocks with a stride or another number of filters have no skip.
    assert sorted(rates) == [2, 4, 6, 7, 9, 10, 12, 13, 14]
    for index, rate in rates.items():
        assert rate == pytest.approx(0.4 * index / 16)


def test_initial_weights_have_the_original_distribution():
    keras.utils.set_random_seed(0)
    model = efficientnet.build_model(ModelConfig("efficientnet-b0", 1000))
    kernel = model.get_layer("head").kernel.numpy()
    assert kernel.std() == pytest.approx((2 / 1280) ** 0.5, rel=0.02)
    kernel = model.get_layer("blocks_10_depthwise").kernel.numpy()
    assert kernel.std() == pytest.approx((2 / 25) ** 0.5, rel=0.02)
    kernel = model.get_layer("logits").kernel.numpy()
    assert np.abs(kernel).max() == pytest.approx(1000**-0.5, rel=1e-3)
    assert kernel.std() == pytest.approx((1 / 3000) ** 0.5, rel=0.02)
    # Two layers of one shape must not start alike.
    first, second = (
        model.get_layer(f"blocks_{index}_expand").kernel.numpy()
        for index in (6, 7)
    )
    assert first.shape != second.shape or not np.allclose(first, second)
    norms = [
        model.get_layer(f"blocks_{index}_project").kernel.numpy()
        for index in (13, 14)
    ]
    assert not np.allclose(*norms)


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

"""The names of PyTorch's EfficientNets."""

import collections
import dataclasses
import gzip
import re

import numpy as np
import pytest
import tensorflow as tf

from noisy_student import models
from noisy_student.config import ModelConfig
from noisy_student.errors import InputError
from noisy_student.models.importers import pytorch, tensor_files, weights
from tests.models import lite_packages

TIMM = ModelConfig(
    "efficientnet-b0",
    num_classes=10,
    input_image_size=64,
    width_coefficient=0.25,
    depth_coefficient=0.34,
)
LITE = dataclasses.replace(TIMM, model_name="efficientnet-lite0")


@pytest.fixture(scope="module")
def timm(fixtures):
    return tensor_files.read(fixtures / "timm_b0_small/model.safetensors")


def loaded(config, tensors):
    model = models.build_model(config)
    weights.assign(model, pytorch.to_original(tensors, "x"), "x")
    return model


def test_logits_equal_timms(fixtures, timm):
    model = loaded(TIMM, timm)
    images = np.load(fixtures / "timm_b0_small/images.npy")
    expected = np.load(fixtures / "timm_b0_small/logits.npy")
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(model(images), expected, atol=1e-5)


def numbered(listing):
    """Tensors of the names and shapes of a listing, each full of its place."""
    tensors = {}
    for place, line in enumerate(listing.read_text().splitlines()):
        name, shape = line.split(" ", 1)
        sizes = [int(size) for size in re.findall(r"\d+", shape)]
        tensors[name] = np.full(sizes, place, np.float32)
    return tensors


def test_all_names_of_timms_b0_are_known(fixtures):
    """By their order in PyTorch: kernels, norms, squeeze-and-excitation."""
    tensors = numbered(fixtures / "timm_b0_small/names_b0.txt")
    model = loaded(ModelConfig(), tensors)
    places = list(tensors)
    for name, variable in weights.variables_by_name(model).items():
        theirs = places[int(np.max(variable))]
        assert (np.array(variable) == np.max(variable)).all()
        assert _kind(theirs) in name, (name, theirs)
    assert _order(model) == sorted(_order(model))


def test_all_names_of_lite0_are_known(fixtures, tmp_path):
    path = tmp_path / "lite0.pth"
    zipped = (fixtures / "lite/places_lite0.pth.gz").read_bytes()
    path.write_bytes(gzip.decompress(zipped))
    model = loaded(ModelConfig("efficientnet-lite0"), tensor_files.read(path))
    assert _order(model) == sorted(_order(model))


def _kind(name):
    """How a weight of PyTorch is called in the original, in part."""
    for theirs, ours in (
        ("conv_dw", "depthwise_kernel"),
        ("se.conv", "/se/"),
        ("running_mean", "moving_mean"),
        ("running_var", "moving_variance"),
        ("conv", "conv2d"),
        ("bn", "gamma" if name.endswith("weight") else "beta"),
        ("classifier", "head/dense"),
    ):
        if theirs in name:
            return ours
    raise AssertionError(name)


def _order(model):
    """The numbers in a network, in the order in which it is computed."""
    order = []
    for layer in model.layers:
        parts = [layer]
        if hasattr(layer, "depthwise"):
            parts = [layer.expand, layer.depthwise, layer.se, layer.project]
        for part in filter(None, parts):
            order += [int(np.max(weight)) for weight in part.weights]
    return [place for place in order if place]


def test_tiny_lite_equals_plain_operations():
    """From the names of efficientnet-pytorch to logits, by TensorFlow's own."""
    model = models.build_model(LITE)
    randomize(model)
    tensors = as_efficientnet_pytorch(model)
    images = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3))
    images = images.astype(np.float32)
    expected = plain_lite(tensors, (images - 127) / 128)
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(model(images), expected, atol=1e-4)
    np.testing.assert_allclose(
        loaded(LITE, tensors)(images), expected, atol=1e-4
    )


def randomize(model):
    generator = np.random.default_rng(1)
    for weight in model.weights:
        if weight.name in ("gamma", "moving_variance"):
            weight.assign(generator.uniform(0.5, 2, weight.shape))
        elif weight.name in ("beta", "moving_mean", "bias"):
            weight.assign(generator.normal(0, 0.3, weight.shape))


def as_efficientnet_pytorch(model):
    """The weights of a Lite network by the names of that package."""
    found = collections.OrderedDict()

    def add(layer, convolution, norm):
        axes = (2, 3, 0, 1) if layer.filters is None else (3, 2, 0, 1)
        kernel = np.array(layer.kernel).transpose(axes)
        found[f"{convolution}.weight"] = kernel
        for theirs, ours in (
            ("weight", layer.norm.gamma),
            ("bias", layer.norm.beta),
            ("running_mean", layer.norm.moving_mean),
            ("running_var", layer.norm.moving_variance),
        ):
            found[f"{norm}.{theirs}"] = np.array(ours)
        found[f"{norm}.num_batches_tracked"] = np.array(9)

    add(model.get_layer("stem"), "_conv_stem", "_bn0")
    blocks = [x for x in model.layers if x.name.startswith("blocks_")]
    for number, block in enumerate(blocks):
        prefix = f"_blocks.{number}."
        if block.expand is not None:
            add(block.expand, f"{prefix}_expand_conv", f"{prefix}_bn0")
        add(block.depthwise, f"{prefix}_depthwise_conv", f"{prefix}_bn1")
        add(block.project, f"{prefix}_project_conv", f"{prefix}_bn2")
    add(model.get_layer("head"), "_conv_head", "_bn1")
    logits = model.get_layer("logits")
    found["_fc.weight"] = np.array(logits.kernel).T
    found["_fc.bias"] = np.array(logits.bias)
    return found


def plain_lite(tensors, x):
    """EfficientNet-Lite by its names, in operations of TensorFlow."""

    def layer(x, convolution, norm, stride=1, active=True):
        kernel = tensors[f"{convolution}.weight"].transpose(2, 3, 1, 0)
        if "depthwise" in convolution:
            kernel = kernel.transpose(0, 1, 3, 2)
            strides = (1, stride, stride, 1)
            x = tf.nn.depthwise_conv2d(x, kernel, strides, "SAME")
        else:
            x = tf.nn.conv2d(x, kernel, stride, "SAME")
        mean, variance = (
            tensors[f"{norm}.running_{name}"] for name in ("mean", "var")
        )
        x = (x - mean) / np.sqrt(variance + 1e-3)
        x = x * tensors[f"{norm}.weight"] + tensors[f"{norm}.bias"]
        return tf.clip_by_value(x, 0, 6) if active else x

    x = layer(x, "_conv_stem", "_bn0", 2)
    # Stages of 1, 1, 1, 2, 2, 2 and 1 blocks, by the depth of 0.34.
    for number, stride in enumerate((1, 2, 2, 2, 1, 1, 1, 2, 1, 1)):
        name = f"_blocks.{number}."
        inputs = x
        if f"{name}_expand_conv.weight" in tensors:
            x = layer(x, f"{name}_expand_conv", f"{name}_bn0")
        x = layer(x, f"{name}_depthwise_conv", f"{name}_bn1", stride)
        x = layer(x, f"{name}_project_conv", f"{name}_bn2", active=False)
        if stride == 1 and x.shape == inputs.shape:
            x = x + inputs
    x = layer(x, "_conv_head", "_bn1")
    x = tf.reduce_mean(x, (1, 2))
    return x @ tensors["_fc.weight"].T + tensors["_fc.bias"]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_logits_of_photographs_are_those_of_the_packages(number, fixtures):
    path = lite_packages.installed(number)
    config = ModelConfig(f"efficientnet-lite{number}")
    model = loaded(config, tensor_files.read(path))
    truth = np.load(fixtures / f"lite/lite{number}.npz")
    distance = np.abs(model(truth["images"]) - truth["logits"]).max()
    assert distance < 1e-5 * np.ptp(truth["logits"])


def test_another_networks_weights_are_refused(timm):
    extra = timm | {f"blocks.1.0.x{n}": np.ones(1) for n in range(9)}
    with pytest.raises(InputError, match=r"another network.* and 4 others"):
        pytorch.to_original(extra, "x")
    resnet = {f"layer{n}.conv1.weight": np.ones(1) for n in range(9)}
    with pytest.raises(InputError, match=r"no EfficientNet .* and 4 others"):
        pytorch.to_original(resnet, "x")
    missing = dict(timm)
    del missing["blocks.1.0.bn2.running_mean"]
    with pytest.raises(InputError, match=r"lacks .*1\.0\.bn2\.running_mean"):
        pytorch.to_original(missing, "x")
    with pytest.raises(InputError, match=r"stem/conv2d/kernel is \(3, 3, 3, 8"):
        loaded(ModelConfig(), timm)


def test_weights_for_grey_images_are_refused(timm):
    grey = timm | {"conv_stem.weight": timm["conv_stem.weight"][:, :1]}
    with pytest.raises(InputError, match=r"\(3, 3, 1, 8\), not \(3, 3, 3, 8\)"):
        loaded(TIMM, grey)


def test_weights_without_a_classifier_need_a_new_head(timm):
    cut = {k: v for k, v in timm.items() if not k.startswith("classifier")}
    model = models.build_model(TIMM)
    arrays = pytorch.to_original(cut, "x")
    with pytest.raises(InputError, match="missing: head/dense/kernel"):
        weights.assign(model, arrays, "x")
    assert weights.assign(model, arrays, "x", allow_new_head=True)

"""A run is the same wherever its images get their noise."""

import dataclasses
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from noisy_student import methods
from noisy_student.config import (
    DataConfig,
    InputConfig,
    ModelConfig,
    NoiseConfig,
)
from noisy_student.stages import training_input
from noisy_student.stages.experiment import Experiment
from noisy_student.stages.training_input import Unlabeled
from noisy_student.training import averaging, distribution, loop, optimizers
from tests.settings import experiment

ONE = distribution.Devices(tf.distribute.OneDeviceStrategy("CPU:0"))


# Without RandAugment XLA compiles sooner.
FLIPS = NoiseConfig("none", horizontal_flip=True)


def opened(method, noise_on, noise=FLIPS, devices=ONE, **train):
    config = dataclasses.replace(
        experiment("none", method, unlabel_ratio=1, **train),
        model=ModelConfig("efficientnet-b0", input_image_size=8),
        data=DataConfig("digits", input_image_size=8),
        noise=noise,
        input_pipeline=InputConfig(noise_on=noise_on),
    )
    return Experiment.open(config, devices)


def dense_model(seed):
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )


def train(run, jit=False):
    """Weights and loss after three steps."""
    strategy = run.devices.strategy
    with strategy.scope():
        student, average, teacher = map(dense_model, (0, 0, 1))
        averaging.start(average, student)
        optimizer = optimizers.RMSprop(0.01)
        optimizer.build(student.trainable_variables)
        unlabeled = Unlabeled.open(run, teacher=teacher)
        context = training_input.method_context(run, unlabeled)
        method = methods.find(run.config.train.method).from_context(context)
        train_loop = loop.TrainLoop(
            method,
            student,
            average,
            optimizer,
            run.config.train,
            prepare=training_input.step_noise(run),
        )
        if jit:
            train_loop.step = tf.function(train_loop.step, jit_compile=True)
        batches = strategy.distribute_datasets_from_function(
            lambda context: training_input.replica_batches(
                run, method, unlabeled, 0, context, 0
            )
        )
        loss = train_loop(iter(batches), 3).metrics["train/loss"]
    return [*student.get_weights(), loss]


def assert_same(ours, theirs, atol=0.0):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=atol)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["noisy_student", "pi_model"])
def test_on_the_device_as_on_the_host(method, two_replicas):
    """Pieces and replicas, a teacher's image, and two views of images."""
    devices = distribution.Devices(two_replicas)
    batch = {"train_batch_size": 16, "accumulation_steps": 2}
    host, device = (
        train(opened(method, place, FLIPS, devices, **batch))
        for place in ("host", "device")
    )
    assert_same(device, host)
    unflipped = opened(method, "host", NoiseConfig("none"), devices, **batch)
    assert abs(train(unflipped)[0] - host[0]).max() > 1e-3


@pytest.mark.slow
def test_in_a_compiled_step_as_on_the_host():
    noise = NoiseConfig("v1", randaug_mag=10)
    host, device = (
        opened("pi_model", place, noise, train_batch_size=8)
        for place in ("host", "device")
    )
    assert_same(train(device, jit=True), train(host), atol=1e-6)


@pytest.mark.parametrize(
    ("noise_on", "compiles", "form"),
    [
        ("host", True, "compiled"),
        ("host", False, "uncompiled"),
        ("device", False, "device"),
    ],
)
def test_beside_a_tpu_the_host_compiles_nothing(
    noise_on, compiles, form, monkeypatch
):
    tpu = tf.config.PhysicalDevice("/physical_device:TPU:0", "TPU")
    found = [] if compiles else [tpu]
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: found)
    specs = []
    monkeypatch.setattr(
        training_input.pipelines,
        "training_batches",
        lambda labeled, unlabeled, spec, *rest: specs.append(spec),
    )
    run = opened("pi_model", noise_on)
    unlabeled = Unlabeled.open(run)
    method = methods.find("pi_model")
    context = tf.distribute.InputContext(1, 0, 1)
    training_input.replica_batches(run, method, unlabeled, 0, context, 0)
    assert specs[0].noise_form == form


@pytest.mark.parametrize("name", ["augment_name", "unl_aug"])
def test_keras_cvs_noise_is_refused_where_it_cannot_be(name, monkeypatch):
    noise = NoiseConfig(**{name: "keras_cv"})
    on_device = opened("pi_model", "device", noise=noise).config
    with pytest.raises(ValueError, match=f"noise_on=device .* {name}=keras_cv"):
        training_input.check_noise(on_device)
    monkeypatch.setitem(sys.modules, "keras_cv", None)
    on_host = opened("pi_model", "host", noise=noise).config
    with pytest.raises(ValueError, match=f"{name}=keras_cv .* pip install"):
        training_input.check_noise(on_host)
    training_input.check_noise(opened("pi_model", "device").config)

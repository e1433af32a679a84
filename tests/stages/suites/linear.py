"""An open experiment and a small model, which the tests of suites share."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from noisy_student import config
from noisy_student.stages.experiment import Experiment
from noisy_student.training import distribution
from tests.settings import experiment

SIDE = 8


def opened(strategy=None, batch_size=16, **data):
    data.setdefault("task_name", "digits")
    settings = dataclasses.replace(
        experiment("none"),
        data=config.DataConfig(**data),
        run=config.RunConfig(
            distribution="one_device", eval_batch_size=batch_size
        ),
        input_pipeline=config.InputConfig(num_parallel_calls=2),
    )
    strategy = strategy or tf.distribute.OneDeviceStrategy("CPU:0")
    return Experiment.open(settings, distribution.Devices(strategy))


def spread_over(source, number):
    """So many examples of a source, evenly spread."""
    examples = list(source.read().as_numpy_iterator())
    return [examples[i * len(examples) // number] for i in range(number)]


def linear_model(classes=10, side=SIDE):
    """A model with random weights, whose answers differ from image to image."""
    model = keras.Sequential(
        [
            keras.Input((side, side, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(classes, use_bias=False),
        ]
    )
    weights = np.random.default_rng(0).normal(size=(side * side * 3, classes))
    model.set_weights([weights])
    return model

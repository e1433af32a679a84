"""How cost grows with the model: images/s against size, B0 to B4.

Also what the benchmarks of models share: a model, images in memory, and
functions that train or predict. `train_step.py` prints the table.
"""

import dataclasses
import statistics
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from noisy_student import models
from noisy_student.config import ModelConfig, TrainConfig
from noisy_student.methods import base, supervised
from noisy_student.training import averaging, loop, loss_scale, optimizers
from tools.benchmarks import turns

_MODELS = [f"efficientnet-b{number}" for number in range(5)]
_BATCH_SIZE = 8
_STEPS = 2
_ROUNDS = 5
_MULTIPLYING = ("Conv2D", "DepthwiseConv2dNative", "MatMul")

Run = Callable[[], object]


def model_config(
    name: str, side: int | None = None, small: bool = False
) -> ModelConfig:
    """Returns a model for ImageNet's classes, by default at its own side."""
    return ModelConfig(name, 1000, side, small_image_model=small)


def images_and_labels(
    side: int, batch_size: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns a random batch: float32 images in [0, 255], int64 labels."""
    generator = np.random.default_rng(0)
    images = generator.uniform(0, 255, (batch_size, side, side, 3))
    labels = generator.integers(0, 1000, batch_size)
    return tf.constant(images, tf.float32), tf.constant(labels)


def make_loop(
    config: ModelConfig,
    method: base.Method,
    compiled: bool = False,
    prepare: Callable[[base.Batch], base.Batch] = loop.as_it_is,
) -> loop.TrainLoop:
    """Returns our loop with new models, built in the current scope."""
    student = models.build_model(config)
    average = models.build_model(config)
    averaging.start(average, student)
    optimizer = optimizers.RMSprop(1e-3)
    optimizer.build(student.trainable_variables)
    is_half = config.compute_precision == "float16"
    return loop.TrainLoop(
        method,
        student,
        average,
        optimizer,
        TrainConfig(),
        loss_scale=loss_scale.LossScale() if is_half else None,
        compiled=compiled,
        prepare=prepare,
    )


def train_run(config: ModelConfig, batch_size: int, steps: int) -> Run:
    """Returns calls of the training loop, of `steps` whole steps each."""
    train_loop = make_loop(config, supervised.Supervised(0.1))
    images, labels = images_and_labels(models.input_side(config), batch_size)
    weights = tf.ones(batch_size)
    batch = {"image": images, "label": labels, "label_weight": weights}
    batches = iter(tf.data.Dataset.from_tensors(batch).repeat())
    return lambda: train_loop(batches, steps)


def call_run(
    model: keras.Model, images: tf.Tensor, steps: int, jit: bool = False
) -> Run:
    """Returns runs of `steps` compiled calls of a model without noise."""
    call = tf.function(lambda x: model(x, training=False), jit_compile=jit)
    return lambda: [call(images).numpy() for _ in range(steps)]


def multiply_adds(model: keras.Model) -> int:
    """Counts multiply-adds of convolutions and products, for one image."""
    call = tf.function(lambda x: model(x, training=False))
    spec = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32)
    graph = call.get_concrete_function(spec).graph
    total = 0
    for operation in graph.get_operations():
        if operation.type in _MULTIPLYING:
            kernel = operation.inputs[1].shape.num_elements()
            outputs = operation.outputs[0].shape.num_elements()
            total += kernel * outputs // operation.outputs[0].shape[-1]
    return total


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a model costs; speeds in images/s."""

    model_name: str
    side: int
    parameters: int
    multiply_adds: int
    train: float
    predict: float


def measure(model_name: str) -> Cost:
    """Measures a model at its own resolution; medians over rounds."""
    config = model_config(model_name)
    model = models.build_model(config)
    side = models.input_side(config)
    images, _ = images_and_labels(side, _BATCH_SIZE)

    def median(run: Run) -> float:
        run()
        num_images = _STEPS * _BATCH_SIZE
        return statistics.median(
            turns.images_per_second(run, num_images) for _ in range(_ROUNDS)
        )

    return Cost(
        model_name,
        side,
        sum(int(np.prod(v.shape)) for v in model.trainable_variables),
        multiply_adds(model),
        median(train_run(config, _BATCH_SIZE, _STEPS)),
        median(call_run(model, images, _STEPS)),
    )


def print_table() -> None:
    """Prints B0 to B4 at their own resolutions, each when it is measured."""
    print(
        f"{'':>16}{'px':>5}{'parameters':>14}{'multiply-adds':>15}"
        f"{'train img/s':>13}{'predict img/s':>15}"
    )
    for name in _MODELS:
        keras.backend.clear_session()
        cost = measure(name)
        print(
            f"{name:>16}{cost.side:>5}{cost.parameters:>14,}"
            f"{cost.multiply_adds / 1e9:>13.2f} G"
            f"{cost.train:>13.1f}{cost.predict:>15.1f}",
            flush=True,
        )

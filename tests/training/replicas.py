"""Five steps of Noisy Student on given images, on any devices.

As a script, what a worker does; the chief writes its outcome to a file.
"""

import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf

from noisy_student import models
from noisy_student.config import (
    ALL_REPLICAS,
    ModelConfig,
    RunConfig,
    TrainConfig,
)
from noisy_student.methods import noisy_student
from noisy_student.training import (
    averaging,
    distribution,
    loop,
    optimizers,
)
from tests.models import short

GLOBAL_BATCH = 8
STEPS = 5
# Without noise, and one batch's statistics wherever its images are.
MODEL = ModelConfig(
    "efficientnet-b0",
    num_classes=5,
    input_image_size=16,
    width_coefficient=0.1,
    depth_coefficient=0.1,
    dropout_rate=0.0,
    stochastic_depth_rate=0.0,
    small_image_model=True,
    num_shards_per_group=ALL_REPLICAS,
)


def global_batch(number):
    """A step's examples, all of them unequal."""
    generator = np.random.default_rng(number)

    def images():
        scale = generator.uniform(20, 255, (GLOBAL_BATCH, 1, 1, 1))
        noise = generator.uniform(0, 1, (GLOBAL_BATCH, 16, 16, 3))
        return (scale * noise).astype(np.float32)

    probabilities = generator.dirichlet(np.ones(5), GLOBAL_BATCH)
    return {
        "image": images(),
        "label": generator.integers(0, 5, GLOBAL_BATCH),
        "label_weight": generator.integers(0, 2, GLOBAL_BATCH).astype("f4"),
        "unlabeled_image": images(),
        "unlabeled_label": probabilities.argmax(axis=1),
        "unlabeled_probabilities": probabilities.astype(np.float32),
        "unlabeled_weight": generator.integers(0, 2, GLOBAL_BATCH).astype("f4"),
    }


def batches_of(context, parts=1):
    """The pieces of each global batch that a worker's replicas compute."""
    replicas = context.num_replicas_in_sync
    local = replicas // context.num_input_pipelines
    size = GLOBAL_BATCH // (replicas * parts)
    pieces = []
    for number in range(STEPS):
        batch = global_batch(number)
        # Any division is as good, as long as each example comes once.
        for part in range(parts):
            for replica in range(local):
                place = context.input_pipeline_id * local + replica
                first = (part * replicas + place) * size
                pieces.append(
                    {k: v[first : first + size] for k, v in batch.items()}
                )
    whole = {k: np.stack([p[k] for p in pieces]) for k in pieces[0]}
    return tf.data.Dataset.from_tensor_slices(whole).repeat()


def build_model():
    with short.networks():
        return models.build_model(MODEL)


def train(devices, parts=1, build=build_model):
    """Losses of the steps, and the weights of student and average."""
    with devices.strategy.scope():
        keras.utils.set_random_seed(0)
        student, average = build(), build()
        averaging.start(average, student)
        optimizer = optimizers.RMSprop(0.001)
        optimizer.build(student.trainable_variables)
        train_loop = loop.TrainLoop(
            noisy_student.NoisyStudent(0.1, 2.0, 1.0),
            student,
            average,
            optimizer,
            TrainConfig(
                accumulation_steps=parts,
                weight_decay=1e-3,
                moving_average_decay=0.9,
            ),
        )
        iterator = iter(
            devices.strategy.distribute_datasets_from_function(
                lambda context: batches_of(context, parts)
            )
        )
        losses = [
            train_loop(iterator, 1).metrics["train/loss"] for _ in range(STEPS)
        ]
        weights = [w.numpy() for w in [*student.weights, *average.weights]]
    return np.array(losses), weights


def main(path):
    devices = distribution.make_devices(RunConfig("multi_worker"))
    losses, weights = train(devices)
    if devices.is_chief:
        np.savez(path, losses, *weights)
    devices.wait_for_all()


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))

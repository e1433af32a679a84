"""A tiny run that the tests of this folder share."""

import tensorflow as tf

from noisy_student import methods
from noisy_student.config import ModelConfig, RunConfig, TrainConfig
from noisy_student.training import distribution, trainer

MODEL = ModelConfig(
    "efficientnet-b0",
    num_classes=2,
    input_image_size=8,
    width_coefficient=0.1,
    depth_coefficient=0.1,
    small_image_model=True,
)
BATCH = 4
DEVICES = distribution.Devices(tf.distribute.OneDeviceStrategy("CPU:0"))


def batch_at(step):
    """Random images whose brightness is their label, by step alone."""
    seed = tf.stack([step, tf.zeros_like(step)])
    label = tf.random.stateless_uniform([BATCH], seed, 0, 2, tf.int64)
    noise = tf.random.stateless_uniform([BATCH, 8, 8, 3], seed, 0, 60)
    image = noise + 150.0 * tf.cast(label, tf.float32)[:, None, None, None]
    weight = tf.ones([BATCH])
    return {"image": image, "label": label, "label_weight": weight}


def make_images():
    test = tf.data.Dataset.range(1000, 1005).map(
        lambda step: batch_at(step) | {"weight": tf.ones([BATCH])}
    )
    return trainer.TrainingImages(
        batches=lambda _, start: tf.data.Dataset.counter(start).map(batch_at),
        num_labeled=16,
        test=lambda _: test,
        num_test=20,
    )


def settings(directory, total_steps, **changes):
    run = {
        "iterations_per_loop": 5,
        "save_checkpoints_steps": 10,
        "steps_per_eval": 15,
    }
    return trainer.RunSettings(
        directory=directory,
        model=MODEL,
        train=TrainConfig(
            "supervised",
            train_batch_size=BATCH,
            base_learning_rate=0.3,
            moving_average_decay=0.9,
            warmup_epochs=0,
        ),
        run=RunConfig(**(run | changes)),
        total_steps=total_steps,
        seed=3,
        description="train",
    )


def run(directory, total_steps=30, method=None, images=None, **changes):
    directory.mkdir(exist_ok=True)
    return trainer.train(
        settings(directory, total_steps, **changes),
        method or methods.Supervised(0.0),
        images or make_images(),
        DEVICES,
    )

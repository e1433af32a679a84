"""A tiny run that the tests of this folder share."""

import tensorflow as tf

from noisy_student import evaluation, methods, training
from noisy_student.config import ModelConfig, RunConfig, TrainConfig
from noisy_student.training import distribution

MODEL = ModelConfig("tests.networks:tiny", num_classes=2, input_image_size=8)
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


def batches(_, start):
    return tf.data.Dataset.counter(start).map(batch_at)


def evaluation_images(_):
    return tf.data.Dataset.range(1000, 1005).map(
        lambda step: batch_at(step) | {"weight": tf.ones([BATCH])}
    )


def train_config(total_steps, **changes):
    settings = {
        "method": "supervised",
        "train_batch_size": BATCH,
        "train_steps": total_steps,
        "base_learning_rate": 0.3,
        "moving_average_decay": 0.9,
        "warmup_epochs": 0,
    }
    return TrainConfig(**(settings | changes))


def make_run(directory, total_steps=30, changes=None, **run_config):
    """A run; `changes` are fields of `TrainingRun`."""
    run_config = {
        "iterations_per_loop": 5,
        "save_checkpoints_steps": 10,
        "steps_per_eval": 15,
    } | run_config
    fields = {
        "directory": directory,
        "model_config": MODEL,
        "train_config": train_config(total_steps),
        "run_config": RunConfig(**run_config),
        "method": methods.Supervised(0.0),
        "batches": batches,
        "num_labeled": 16,
        "evaluator": evaluation.Accuracy(evaluation_images, 20),
        "devices": DEVICES,
        "seed": 3,
    }
    return training.TrainingRun(**(fields | (changes or {})))


def run(directory, changes=None, **run_config):
    directory.mkdir(exist_ok=True)
    return training.train(make_run(directory, 30, changes, **run_config))

import json

import numpy as np
import pytest
import tensorflow as tf

from noisy_student import methods, models
from noisy_student.config import (
    ModelConfig,
    RunConfig,
    TrainConfig,
)
from noisy_student.models import efficientnet
from noisy_student.training import distribution, summaries, trainer

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


def run(directory, total_steps=30, **changes):
    directory.mkdir(exist_ok=True)
    return trainer.train(
        settings(directory, total_steps, **changes),
        methods.Supervised(0.0),
        make_images(),
        DEVICES,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    directory = tmp_path_factory.mktemp("run") / "whole"
    return directory, run(directory)


def test_a_run_leaves_all_that_is_promised(finished):
    directory, metrics = finished
    assert metrics["step"] == 30 and metrics["num_images"] == 20
    assert 0 <= metrics["top_1_accuracy"] <= metrics["top_5_accuracy"] == 1
    lines = (directory / "metrics.jsonl").read_text().strip().split("\n")
    assert [json.loads(line)["step"] for line in lines] == [15, 30]
    checkpoints = sorted((directory / "checkpoints").glob("*.index"))
    assert [path.stem for path in checkpoints] == [
        "ckpt-10",
        "ckpt-20",
        "ckpt-30",
    ]
    assert list(directory.glob("events.out.tfevents*"))


def test_the_saved_model_is_the_average_and_has_its_accuracy(finished):
    directory, metrics = finished
    model = models.load_model(directory / "model.keras")
    correct = [
        model(batch["image"]).numpy().argmax(axis=1) == batch["label"]
        for batch in make_images().test(None).as_numpy_iterator()
    ]
    assert np.mean(correct) == pytest.approx(metrics["top_1_accuracy"])
    average = efficientnet.build_model(MODEL)
    student = efficientnet.build_model(MODEL)
    checkpoint = tf.train.Checkpoint(average=average, student=student)
    checkpoint.read(str(directory / "checkpoints/ckpt-30")).expect_partial()
    for ours, truth, other in zip(
        model.weights, average.weights, student.weights, strict=True
    ):
        np.testing.assert_array_equal(ours, truth)
        assert ours.shape == (2,) or not np.array_equal(ours, other)


def test_a_finished_run_is_not_trained_again(finished):
    directory, metrics = finished
    before = (directory / "model.keras").stat().st_mtime_ns
    assert run(directory) == metrics
    assert (directory / "model.keras").stat().st_mtime_ns == before


class Killed(BaseException):
    """Nothing in the trainer may catch this, as it cannot catch kill -9."""


def kill_after(monkeypatch, owner, name, calls):
    original = getattr(owner, name)
    count = 0

    def counting(*args, **kwargs):
        nonlocal count
        count += 1
        if count > calls:
            raise Killed
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, counting)


@pytest.mark.parametrize(
    ("owner", "name", "calls"),
    [
        (trainer._Trainer, "_train_until", 3),  # between two checkpoints
        (trainer._Trainer, "_train_until", 5),
        (trainer._Trainer, "_save_and_evaluate", 1),
        (trainer._Trainer, "_save_model", 0),  # all but the model is there
        (summaries, "append_metrics", 1),  # before the last evaluation
    ],
)
def test_a_resumed_run_equals_an_uninterrupted_one(
    finished, tmp_path, monkeypatch, owner, name, calls
):
    whole, metrics = finished
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_after(patch, owner, name, calls)
        run(tmp_path)
    assert not (tmp_path / "model.keras").exists()
    resumed = run(tmp_path)
    ignored = {"seconds": None}
    assert resumed | ignored == metrics | ignored
    steps = [line["step"] for line in summaries.read_metrics(tmp_path)]
    assert steps == [15, 30]
    weights = [
        models.load_model(directory / "model.keras").get_weights()
        for directory in (whole, tmp_path)
    ]
    for ours, truth in zip(*weights, strict=True):
        np.testing.assert_allclose(ours, truth, atol=1e-6)


def test_old_checkpoints_are_deleted(tmp_path):
    run(tmp_path, keep_checkpoint_max=1)
    assert len(list((tmp_path / "checkpoints").glob("*.index"))) == 1


def test_a_loss_that_is_no_number_stops_the_run(tmp_path, monkeypatch):
    broken = make_images()

    def batches(context, start):
        return broken.batches(context, start).map(
            lambda batch: batch | {"image": batch["image"] * float("nan")}
        )

    images = trainer.TrainingImages(
        batches, broken.num_labeled, broken.test, broken.num_test
    )
    with pytest.raises(
        FloatingPointError, match="loss is nan at step 1: lab/acc"
    ):
        trainer.train(
            settings(tmp_path, 10), methods.Supervised(0.0), images, DEVICES
        )
    assert not (tmp_path / "checkpoints").exists() or not list(
        (tmp_path / "checkpoints").glob("*.index")
    )

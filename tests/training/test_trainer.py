import dataclasses
import json
import os
import shutil
import signal
import time

import numpy as np
import pytest
import tensorflow as tf

from noisy_student import evaluation, methods, models, preemption
from noisy_student.config import (
    ModelConfig,
    RunConfig,
    TrainConfig,
)
from noisy_student.models import efficientnet
from noisy_student.training import (
    distribution,
    state,
    summaries,
    trainer,
)
from tests.models.small import SMALL

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


def test_a_gradient_that_is_no_number_is_not_saved(tmp_path, monkeypatch):
    """The loss may be a number when the weights are none any more."""
    keep = trainer._Trainer._save

    def poisoned(self, to):
        if self.step == 20:
            self.state.student.weights[0].assign(
                np.nan * self.state.student.weights[0]
            )
        keep(self, to)

    monkeypatch.setattr(trainer._Trainer, "_save", poisoned)
    with pytest.raises(FloatingPointError, match="at step 20, which is not"):
        run(tmp_path)
    names = sorted(p.name for p in (tmp_path / "checkpoints").glob("*.index"))
    assert names == ["ckpt-10.index"]


def test_the_best_evaluation_is_kept_apart(tmp_path, monkeypatch):
    accuracies = iter([0.25, 0.75, 0.5])
    monkeypatch.setattr(
        evaluation,
        "evaluate",
        lambda *_, **__: evaluation.Accuracy(next(accuracies), 1.0, 20),
    )
    run(tmp_path, steps_per_eval=10, keep_checkpoint_max=1)
    kept = sorted(path.name for path in (tmp_path / "best").iterdir())
    assert kept == [
        "ckpt-20.data-00000-of-00001",
        "ckpt-20.index",
        "model.keras",
    ]
    best, last = (
        models.load_model(path / "model.keras").get_weights()
        for path in (tmp_path / "best", tmp_path)
    )
    assert not np.array_equal(best[0], last[0])


def test_a_damaged_checkpoint_costs_its_steps_alone(finished, tmp_path, caplog):
    whole, metrics = finished
    shutil.copytree(whole, tmp_path / "run")
    (tmp_path / "run/model.keras").unlink()
    data = tmp_path / "run/checkpoints/ckpt-30.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:1000])
    resumed = run(tmp_path / "run")
    assert "ckpt-30 cannot be read" in caplog.text
    assert resumed | {"seconds": 0} == metrics | {"seconds": 0}


class Signal:
    """Sends SIGTERM in the midst of the training loop, at a step."""

    def __init__(self, step):
        self.step = step

    def __call__(self, batch):
        def send(step):
            if step == self.step:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(0.5)  # so that it is heard before the step ends
            return np.int64(0)

        zero = tf.numpy_function(send, [batch["step"]], tf.int64)
        return batch_at(batch["step"] + zero)


def test_sigterm_saves_at_the_next_step(finished, tmp_path):
    _, metrics = finished
    images = make_images()
    interrupted = dataclasses.replace(
        images,
        batches=lambda _, start: (
            tf.data.Dataset.counter(start)
            .map(lambda step: {"step": step})
            .map(Signal(13))
            .map(
                lambda batch: {
                    k: tf.ensure_shape(v, s)
                    for (k, v), s in zip(
                        batch.items(),
                        [(BATCH, 8, 8, 3), (BATCH,), (BATCH,)],
                        strict=True,
                    )
                }
            )
        ),
    )
    options = settings(tmp_path, 30, iterations_per_loop=100)
    method = methods.Supervised(0.0)
    with pytest.raises(preemption.Preempted) as caught, preemption.watched():
        trainer.train(options, method, interrupted, DEVICES)
    names = [path.stem for path in (tmp_path / "checkpoints").glob("*.index")]
    [step] = [int(name[5:]) for name in names if name != "ckpt-10"]
    assert 10 < step < 20
    assert f"at step {step}, which is saved" in caught.value.message
    resumed = trainer.train(options, method, images, DEVICES)
    assert resumed | {"seconds": 0} == metrics | {"seconds": 0}


def started(directory, **train):
    """The student and average of a run before its first step."""
    options = settings(directory, 10)
    options = dataclasses.replace(
        options, train=dataclasses.replace(options.train, **train)
    )
    made = state.TrainingState(options, methods.Supervised(0.0), 16, DEVICES)
    made.start()
    return made


def test_a_run_starts_from_given_weights(finished, tmp_path):
    whole, _ = finished
    truth = models.load_model(whole / "model.keras").get_weights()
    for path in (whole, whole / "model.keras"):  # a directory or the file
        made = started(tmp_path, init_model_path=str(path))
        assert made.step == 0
        for model in (made.student, made.average):
            for ours, theirs in zip(model.get_weights(), truth, strict=True):
                np.testing.assert_array_equal(ours, theirs)


def test_a_checkpoint_comes_before_given_weights(finished, tmp_path):
    whole, _ = finished
    shutil.copytree(whole / "checkpoints", tmp_path / "checkpoints")
    made = started(tmp_path, init_model_path="/none")
    assert made.step == 30


def test_a_run_starts_from_the_originals_checkpoint(fixtures, tmp_path):
    path = str(fixtures / "svhn_small/model.ckpt")
    made = state.TrainingState(
        dataclasses.replace(
            settings(tmp_path, 10),
            model=SMALL,
            train=TrainConfig("supervised", init_model_path=path),
        ),
        methods.Supervised(0.0),
        16,
        DEVICES,
    )
    made.start()
    images = np.load(fixtures / "svhn_small/images.npy")
    truth = np.load(fixtures / "svhn_small/logits_ema.npy")
    for model in (made.student, made.average):
        np.testing.assert_allclose(model(images), truth, atol=1e-4)


def test_fresh_weights_are_the_seeds(tmp_path):
    made = started(tmp_path)
    for a, b in zip(made.student.weights, made.average.weights, strict=True):
        np.testing.assert_array_equal(a, b)

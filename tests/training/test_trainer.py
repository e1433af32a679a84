import dataclasses
import json
import os
import shutil
import signal
import time

import numpy as np
import pytest
import tensorflow as tf

from noisy_student import evaluation, models, preemption
from noisy_student.files import metrics_file
from noisy_student.training import loss_scale, state, trainer
from tests.training.runs import (
    BATCH,
    MODEL,
    batch_at,
    batches,
    evaluation_images,
    run,
    train_config,
)

pytestmark = pytest.mark.usefixtures("short_network")


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
        for batch in evaluation_images(None).as_numpy_iterator()
    ]
    assert np.mean(correct) == pytest.approx(metrics["top_1_accuracy"])
    average = models.build_model(MODEL)
    student = models.build_model(MODEL)
    checkpoint = tf.train.Checkpoint(average=average, student=student)
    checkpoint.read(str(directory / "checkpoints/ckpt-30")).expect_partial()
    for ours, truth, other in zip(
        model.weights, average.weights, student.weights, strict=True
    ):
        np.testing.assert_array_equal(ours, truth)
        assert ours.shape == (2,) or not np.array_equal(ours, other)


@pytest.mark.slow
def test_a_model_is_traced_at_its_first_evaluation_only(tmp_path):
    evaluator = evaluation.Accuracy(evaluation_images, 20)
    run(tmp_path, {"evaluator": evaluator})
    assert len(metrics_file.read(tmp_path)) == 2
    assert evaluator._step.experimental_get_tracing_count() == 1


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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("owner", "name", "calls"),
    [
        # Between two checkpoints.
        (trainer._Trainer, "_train_until", 3),
        (trainer._Trainer, "_train_until", 5),
        (state.TrainingState, "save", 1),
        # All but the model is there.
        (state.TrainingState, "save_model", 1),
        # Before the last evaluation.
        (metrics_file, "append", 1),
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
    steps = [line["step"] for line in metrics_file.read(tmp_path)]
    assert steps == [15, 30]
    weights = [
        models.load_model(directory / "model.keras").get_weights()
        for directory in (whole, tmp_path)
    ]
    for ours, truth in zip(*weights, strict=True):
        np.testing.assert_allclose(ours, truth, atol=1e-6)


def logged(directory, name):
    """Scalars of a run's events by step."""
    [path] = directory.glob("events.out.tfevents*")
    return {
        event.step: float(tf.make_ndarray(value.tensor))
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
        if value.tag == name
    }


@pytest.mark.slow
def test_training_metrics_are_logged_at_steps_of_their_own(tmp_path):
    """They are means over the steps since the entry before."""
    for name, every in (("default", None), ("each", 1), ("seldom", 12)):
        run(tmp_path / name, log_step_count_steps=every)
    losses = {
        name: logged(tmp_path / name, "train/loss")
        for name in ("default", "each", "seldom")
    }
    assert list(losses["default"]) == [5, 10, 15, 20, 25, 30]
    assert list(losses["each"]) == list(range(1, 31))
    assert list(losses["seldom"]) == [12, 24, 30]
    for entries in (losses["default"], losses["seldom"]):
        before = 0
        for step, loss in entries.items():
            steps = range(before + 1, step + 1)
            mean = np.mean([losses["each"][each] for each in steps])
            assert loss == pytest.approx(mean, rel=1e-4)
            before = step


@pytest.mark.slow
def test_a_run_in_float16_keeps_its_loss_scale(tmp_path, monkeypatch):
    """Its first steps overflow; where it goes on, the scale does too."""
    monkeypatch.setattr(loss_scale, "_FIRST", 2.0**40)
    changes = {"model_config": dataclasses.replace(MODEL, precision="float16")}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run(whole, changes)
    skipped = logged(whole, "train/skipped_steps")
    scale = logged(whole, "train/loss_scale")
    assert list(skipped) == [5, 10, 15, 20, 25, 30]
    assert 5 <= skipped[30] < 30
    assert all(scale[step] == 2 ** (40 - skipped[step]) for step in scale)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_after(patch, trainer._Trainer, "_train_until", 3)
        run(killed, changes)
    run(killed, changes)
    ours, truth = (
        models.load_model(directory / "model.keras").get_weights()
        for directory in (killed, whole)
    )
    for a, b in zip(ours, truth, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_old_checkpoints_are_deleted(tmp_path):
    run(tmp_path, keep_checkpoint_max=1)
    assert len(list((tmp_path / "checkpoints").glob("*.index"))) == 1


def test_a_loss_that_is_no_number_stops_the_run(tmp_path, monkeypatch):
    def broken(context, start):
        return batches(context, start).map(
            lambda batch: batch | {"image": batch["image"] * float("nan")}
        )

    with pytest.raises(
        FloatingPointError, match="loss is nan at step 1: lab/acc"
    ) as caught:
        run(tmp_path, {"batches": broken})
    assert "A lower base_learning_rate usually" in str(caught.value)
    assert not (tmp_path / "checkpoints").exists() or not list(
        (tmp_path / "checkpoints").glob("*.index")
    )


@pytest.mark.slow
def test_a_gradient_that_is_no_number_is_not_saved(tmp_path, monkeypatch):
    """The loss may be a number when the weights are none any more."""
    save = state.TrainingState.save

    def poisoned(self):
        if self.step == 20:
            weight = self.student.weights[0]
            weight.assign(np.nan * weight)
        save(self)

    monkeypatch.setattr(state.TrainingState, "save", poisoned)
    ramps = train_config(30, learning_rate_schedule="ramps")
    with pytest.raises(
        FloatingPointError, match="at step 20, which is not"
    ) as caught:
        run(tmp_path, {"train_config": ramps})
    assert "A lower max_learning_rate usually" in str(caught.value)
    names = sorted(p.name for p in (tmp_path / "checkpoints").glob("*.index"))
    assert names == ["ckpt-10.index"]


@pytest.mark.slow
def test_the_best_evaluation_is_kept_apart(tmp_path):
    """With whatever metrics an evaluator has."""
    accuracies = iter([0.25, 0.75, 0.5])

    def evaluator(model, on_batch):
        return {"top_1_accuracy": next(accuracies), "other": 2.0}

    changes = {"evaluator": evaluator}
    metrics = run(tmp_path, changes, steps_per_eval=10, keep_checkpoint_max=1)
    assert list(metrics) == [
        "step",
        "split",
        "top_1_accuracy",
        "other",
        "seconds",
    ]
    assert metrics["other"] == 2
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


@pytest.mark.parametrize("suffix", ["data-00000-of-00001", "index"])
def test_a_damaged_checkpoint_costs_its_steps_alone(
    suffix, finished, tmp_path, caplog
):
    whole, metrics = finished
    shutil.copytree(whole, tmp_path / "run")
    (tmp_path / "run/model.keras").unlink()
    path = tmp_path / f"run/checkpoints/ckpt-30.{suffix}"
    os.truncate(path, path.stat().st_size // 2)
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


@pytest.mark.slow
def test_sigterm_saves_at_the_next_look(finished, tmp_path):
    _, metrics = finished
    interrupted = {
        "batches": lambda _, start: (
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
        )
    }
    with pytest.raises(preemption.Preempted) as caught, preemption.watched():
        run(tmp_path, interrupted, iterations_per_loop=100)
    names = [path.stem for path in (tmp_path / "checkpoints").glob("*.index")]
    [step] = [int(name[5:]) for name in names if name != "ckpt-10"]
    assert 10 < step < 20
    assert f"at step {step}, which is saved" in caught.value.message
    resumed = run(tmp_path, iterations_per_loop=100)
    assert resumed | {"seconds": 0} == metrics | {"seconds": 0}


@pytest.mark.slow
def test_an_evaluation_that_was_interrupted_is_made_up_for(
    finished, tmp_path, monkeypatch
):
    _, metrics = finished
    kill_after(monkeypatch, evaluation.Evaluator, "__call__", 0)
    with pytest.raises(Killed):
        run(tmp_path, save_checkpoints_steps=15)
    monkeypatch.undo()
    resumed = run(tmp_path, save_checkpoints_steps=15)
    assert resumed | {"seconds": 0} == metrics | {"seconds": 0}
    steps = [line["step"] for line in metrics_file.read(tmp_path)]
    assert steps == [15, 30]

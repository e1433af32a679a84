"""Trains one model in one run directory, from wherever it stopped.

The loop, its evaluations and summaries. What a step does is in `step.py`;
which images and which losses is the caller's choice.
"""

import dataclasses
import pathlib
import time
from collections.abc import Iterator

import keras
import tensorflow as tf

from noisy_student import evaluation, models, preemption, progress
from noisy_student.files import run_directory
from noisy_student.methods import base
from noisy_student.training import (
    distribution,
    loop,
    state,
    step,
    summaries,
    worker_checkpoints,
)
from noisy_student.training.settings import RunSettings, TrainingImages

_BEST = "best"


def train(
    settings: RunSettings,
    method: base.Method,
    images: TrainingImages,
    devices: distribution.Devices,
) -> dict:
    """Trains a model to its end, or does nothing if that was done before.

    Call outside of the strategy's scope. Leaves `model.keras` (the averaged
    weights), `checkpoints/`, `best/` (where there are several evaluations),
    `metrics.jsonl` and TensorBoard events in the run directory.

    Args:
        settings: of the run.
        method: the losses; its models were made in the strategy's scope.
        images: the data.
        devices: that train; every worker calls this alike.

    Returns:
        The last evaluation, as a line of `metrics.jsonl`: `step`,
        `top_1_accuracy`, `top_5_accuracy`, `num_images`, `seconds`.

    Raises:
        Preempted: on SIGTERM, after a checkpoint.
        FloatingPointError: the loss or a weight is no number.
        InputError: the disk is full, or all checkpoints are damaged.
    """
    # The same on all workers, whatever the chief does meanwhile.
    if not devices.agree(is_finished(settings.directory)):
        keras.utils.set_random_seed(settings.seed)
        with tf.device("CPU:0"):
            stop = tf.Variable(0.0, trainable=False)
        with (
            preemption.held(lambda: stop.assign(1.0)),
            devices.strategy.scope(),
        ):
            _Trainer(settings, method, images, devices, stop).train()
        devices.wait_for_all()
    return run_directory.read_metrics(settings.directory)[-1]


def is_finished(directory: pathlib.Path) -> bool:
    """Whether a run directory holds a wholly trained model."""
    return (directory / run_directory.MODEL_FILE).exists()


class _Trainer:
    """The state of one run."""

    def __init__(
        self,
        settings: RunSettings,
        method: base.Method,
        images: TrainingImages,
        devices: distribution.Devices,
        stop: tf.Variable,
    ) -> None:
        self.settings = settings
        self.images = images
        self.devices = devices
        self.state = state.TrainingState(
            settings, method, images.num_labeled, devices
        )
        self.best = self.state.shared_checkpoints_in(
            settings.directory / _BEST, 1
        )
        self.train_loop = loop.TrainLoop(
            step.Step(
                method,
                self.state.student,
                self.state.average,
                self.state.optimizer,
                step.StepSettings.of(settings.train),
            ),
            stop,
        )
        self.summaries = summaries.Summaries(
            settings.directory, devices.is_chief
        )

    @property
    def step(self) -> int:
        """Number of finished steps."""
        return self.state.step

    def train(self) -> None:
        """Runs the remaining steps, evaluates, and writes the model."""
        self._start()
        total, start = self.settings.total_steps, self.step
        batches = self._batches(start)
        self._evaluate_if_due()  # where a kill came before it
        with progress.bar(
            total,
            self.settings.description,
            "step",
            initial=start,
            shown=self.devices.is_chief,
        ) as bar:
            while self.step < total:
                self._train_until(self._next_stop(), batches, bar)
        self._evaluate_once()
        self._save_model(self.settings.directory)

    def _start(self) -> None:
        self.started = time.monotonic()
        self.state.start()
        if self.devices.is_chief:
            directory = self.settings.directory
            summaries.drop_metrics_after(directory, self.step)
        self.seconds_at_start = float(self.state.seconds.numpy())

    def _batches(self, start: int) -> Iterator:
        return iter(
            self.devices.strategy.distribute_datasets_from_function(
                lambda context: self.images.batches(context, start)
            )
        )

    def _next_stop(self) -> int:
        """The next step with something to do besides training."""
        run = self.settings.run
        intervals = [run.iterations_per_loop, run.save_checkpoints_steps]
        if run.steps_per_eval:
            intervals.append(run.steps_per_eval)
        stops = [(self.step // every + 1) * every for every in intervals]
        return min([self.settings.total_steps, *stops])

    def _train_until(self, stop: int, batches: Iterator, bar) -> None:
        begin, start = time.monotonic(), self.step
        result = self.train_loop(batches, stop - start)
        finished = self.step
        summaries.check_loss(result.last, finished)
        bar.update(finished - start)
        rate = (finished - start) / (time.monotonic() - begin)
        self._log(result.metrics, rate, bar)
        if result.stopped:
            self._save_and_stop()
        self._save_and_evaluate()

    def _log(
        self, metrics: dict[str, float], steps_per_second: float, bar
    ) -> None:
        train, finished = self.settings.train, self.step
        images = train.train_batch_size + train.unlabeled_batch_size
        speed = images * steps_per_second
        bar.set_postfix_str(
            f"loss={metrics['train/loss']:.3f}, {speed:.0f} images/s",
            refresh=False,
        )
        first = self.state.learning_rate.first_step
        epochs = train.labels_per_step / self.images.num_labeled
        self.summaries.write(
            finished,
            metrics
            | {
                "train/lr": float(self.state.learning_rate(finished)),
                "train/epoch": (first + finished) * epochs,
                "train/steps_per_second": steps_per_second,
                "train/images_per_second": speed,
            },
        )

    def _save_and_evaluate(self) -> None:
        run, finished = self.settings.run, self.step
        is_last = finished == self.settings.total_steps
        if is_last or finished % run.save_checkpoints_steps == 0:
            self._save(self.state.checkpoints)
        self._evaluate_if_due()

    def _save(self, to: worker_checkpoints.WorkerCheckpoints) -> None:
        self.state.seconds.assign(self._seconds())
        if self.devices.is_chief:
            summaries.check_weights(self.state.student, self.step)
        to.save(self.step)

    def _save_and_stop(self) -> None:
        if self.state.checkpoints.current != self.step:
            self._save(self.state.checkpoints)
        self.devices.wait_for_all()
        raise preemption.Preempted(
            f"Stopped by SIGTERM at step {self.step}, which is saved"
        )

    def _stop_if_asked(self) -> None:
        """In the midst of an evaluation; several workers would not agree."""
        if preemption.is_requested() and self.devices.num_workers == 1:
            self._save_and_stop()

    def _seconds(self) -> float:
        """Time spent on this run, earlier processes included."""
        return self.seconds_at_start + time.monotonic() - self.started

    def _evaluate_if_due(self) -> None:
        every = self.settings.run.steps_per_eval
        if every and self.step and self.step % every == 0:
            self._evaluate_once()

    def _evaluate_once(self) -> None:
        """Evaluates the average at this step, unless that was done."""
        directory = self.settings.directory
        lines = run_directory.read_metrics(directory)
        done = bool(lines) and lines[-1]["step"] == self.step
        if self.devices.agree(done):
            return
        accuracy = evaluation.evaluate(
            self.state.average,
            self.images.test,
            self.images.num_test,
            on_batch=self._stop_if_asked,
            shown=self.devices.is_chief,
        )
        if not self.devices.is_chief:
            return
        metrics = {"step": self.step, **dataclasses.asdict(accuracy)}
        metrics["seconds"] = round(self._seconds(), 1)
        best = max((line["top_1_accuracy"] for line in lines), default=-1.0)
        if self.settings.run.steps_per_eval and accuracy.top_1_accuracy > best:
            self._save(self.best)
            self._save_model(directory / _BEST)
        self.summaries.write_accuracy(self.step, accuracy)
        summaries.append_metrics(directory, metrics)

    def _save_model(self, directory: pathlib.Path) -> None:
        """Writes the averaged model; in the run directory, it is the end."""
        if self.devices.is_chief:
            path = directory / run_directory.MODEL_FILE
            models.save_model(self.state.average, path)

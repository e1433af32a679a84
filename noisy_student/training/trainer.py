"""Trains one model in one run directory, from wherever it stopped.

The loop around `loop.py`, and its log. `step.py` has what a step does,
`state.py` what is kept, `evaluations.py` the evaluations; images and losses are
the caller's.
"""

import math
import pathlib
import time
from collections.abc import Iterator

import keras
import tensorflow as tf

from noisy_student import preemption, progress
from noisy_student.files import run_directory
from noisy_student.training import (
    evaluations,
    loop,
    schedules,
    state,
    step,
    summaries,
)
from noisy_student.training.run import TrainingRun


def train(run: TrainingRun) -> dict:
    """Trains a model to its end, or does nothing if that was done before.

    Call it outside the strategy's scope, on every worker alike. Leaves
    `model.keras` (the averaged model), `checkpoints/`, `best/` (where there
    are several evaluations), `metrics.jsonl` and TensorBoard events in the run
    directory.

    Args:
        run: what is trained and how.

    Returns:
        The last evaluation, as a line of `metrics.jsonl`: `step`, the metrics
        of the evaluator, `num_images` and `seconds`.

    Raises:
        Preempted: on SIGTERM, after a checkpoint.
        FloatingPointError: the loss or a weight is not finite.
        InputError: the disk is full, or no checkpoint can be read.
    """
    # All workers agree, even if the chief finishes meanwhile.
    if not run.devices.agree(is_finished(run.directory)):
        keras.utils.set_random_seed(run.seed)
        with tf.device("CPU:0"):
            stop = tf.Variable(0.0, trainable=False)
        with (
            preemption.held(lambda: stop.assign(1.0)),
            run.devices.strategy.scope(),
        ):
            _Trainer(run, stop).train()
    return run_directory.read_metrics(run.directory)[-1]


def is_finished(directory: pathlib.Path) -> bool:
    """Returns whether a run directory holds a fully trained model."""
    return (directory / run_directory.MODEL_FILE).exists()


class _Trainer:
    """The loop over calls of `loop.py`; built in the strategy's scope."""

    def __init__(self, run: TrainingRun, stop: tf.Variable) -> None:
        self.run = run
        self.state = state.TrainingState(run)
        self.train_loop = loop.TrainLoop(
            step.Step(
                run.method,
                self.state.student,
                self.state.average,
                self.state.optimizer,
                run.train_config,
            ),
            stop,
        )
        self.summaries = summaries.Summaries(
            run.directory, run.devices.is_chief
        )
        self.evaluations = evaluations.Evaluations(
            run, self.state, self.summaries, self._stop_evaluation_if_asked
        )

    def train(self) -> None:
        """Takes the remaining steps, evaluates, and writes the model."""
        run, devices = self.run, self.run.devices
        self.state.start()
        start = self.state.step
        with devices.failing_together():
            if devices.is_chief:
                run_directory.drop_metrics_after(run.directory, start)
        batches = iter(
            devices.strategy.distribute_datasets_from_function(
                lambda context: run.batches(context, start)
            )
        )
        self.evaluations.evaluate_if_due()  # a kill may have come before it
        with progress.bar(
            run.total_steps,
            run.description,
            "step",
            initial=start,
            shown=devices.is_chief,
        ) as bar:
            while self.state.step < run.total_steps:
                self._train_until(self._next_stop(), batches, bar)
        self.evaluations.evaluate()
        with devices.failing_together():
            if devices.is_chief:
                self.state.save_model(run.directory)

    def _next_stop(self) -> int:
        """Returns the next step with something to do besides training."""
        config, finished = self.run.run_config, self.state.step
        intervals = (
            config.iterations_per_loop,
            config.save_checkpoints_steps,
            config.steps_per_eval or self.run.total_steps,
        )
        stops = [(finished // every + 1) * every for every in intervals]
        return min(self.run.total_steps, *stops)

    def _train_until(self, stop: int, batches: Iterator, bar) -> None:
        begin, start = time.monotonic(), self.state.step
        result = self.train_loop(batches, stop - start)
        finished = self.state.step
        bar.update(finished - start)
        rate = (finished - start) / (time.monotonic() - begin)
        with self.run.devices.failing_together():
            self._check_loss(result.last)
            self._log(result.metrics, rate, bar)
        if result.stopped:
            self._save_and_stop()
        every = self.run.run_config.save_checkpoints_steps
        if finished == self.run.total_steps or finished % every == 0:
            self.state.save()
        self.evaluations.evaluate_if_due()

    def _check_loss(self, metrics: dict[str, float]) -> None:
        """Refuses a loss of the last step that is not finite."""
        if math.isfinite(metrics["train/loss"]):
            return
        values = ", ".join(f"{name}={x:g}" for name, x in metrics.items())
        raise FloatingPointError(
            f"The loss is {metrics['train/loss']:g} at step {self.state.step}: "
            f"{values}. Earlier checkpoints are intact. A lower "
            f"{schedules.peak_setting(self.run.train_config)} usually helps."
        )

    def _log(
        self, metrics: dict[str, float], steps_per_second: float, bar
    ) -> None:
        train, finished = self.run.train_config, self.state.step
        images = train.train_batch_size + train.unlabeled_batch_size
        speed = images * steps_per_second
        bar.set_postfix_str(
            f"loss={metrics['train/loss']:.3f}, {speed:.0f} images/s",
            refresh=False,
        )
        rate = self.state.learning_rate
        epochs = train.labels_per_step / self.run.num_labeled
        self.summaries.write(
            finished,
            metrics
            | {
                "train/lr": float(rate(finished)),
                "train/epoch": (rate.first_step + finished) * epochs,
                "train/steps_per_second": steps_per_second,
                "train/images_per_second": speed,
            },
        )

    def _save_and_stop(self) -> None:
        self.state.save()
        self.run.devices.wait_for_all()
        raise preemption.Preempted(
            f"Stopped by SIGTERM at step {self.state.step}, which is saved"
        )

    def _stop_evaluation_if_asked(self) -> None:
        """Stops during an evaluation, where one worker need not ask others."""
        if preemption.is_requested() and self.run.devices.num_workers == 1:
            self._save_and_stop()

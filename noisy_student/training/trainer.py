"""Trains one model in one run directory, from wherever it stopped.

What surrounds `loop.py`: checkpoints, logs and the stop on SIGTERM;
`evaluations.py` evaluates, `state.py` has what a run is given and what is kept
of it; images and losses are the caller's.
"""

import math
import time
from collections.abc import Iterator

import keras
import tensorflow as tf
from etils import epath

from noisy_student import memory, preemption, progress
from noisy_student.files import metrics_file, run_directory, writing
from noisy_student.training import (
    compilation,
    evaluations,
    loop,
    means,
    schedules,
)
from noisy_student.training.state import TrainingRun, TrainingState

# What makes a step need less memory.
_LESS = (
    "lower train_batch_size or unlabel_ratio, set accumulation_steps to "
    "compute a batch in parts, or set remat"
)


def train(run: TrainingRun) -> dict:
    """Trains a model to its end, or does nothing if that was done before.

    Call it outside the strategy's scope, on every worker alike. Leaves
    `model.keras` (the averaged model: the best or the last, see
    `TrainingRun.keeps_best`), `checkpoints/`, `best/` (where there are several
    evaluations), `metrics.jsonl` and TensorBoard events in the run directory.

    Args:
        run: what is trained and how.

    Returns:
        The evaluation on the test images, as a line of `metrics.jsonl`:
        `step`, `split`, the metrics of the evaluator, `num_images` and
        `seconds`.

    Raises:
        Preempted: on SIGTERM, after a checkpoint.
        FloatingPointError: the loss or a weight is not finite.
        InputError: the disk or a memory is full, or no checkpoint can be
            read.
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
            with memory.enough("the model", "use a smaller one"):
                trainer = _Trainer(run, stop)
            trainer.train()
    return metrics_file.read(run.directory)[-1]


def seconds_per_step(run: TrainingRun, num_steps: int = 3) -> float:
    """Measures steps of a training that is not begun; leaves nothing.

    Args:
        run: what would be trained and how; its directory is a temporary one.
        num_steps: how many steps are timed, after a first one that compiles.
    """
    with run.devices.strategy.scope():
        trainer = _Trainer(run, tf.Variable(0.0, trainable=False))
        batches = trainer.batches(0)
        trainer.train_loop(batches, 1)
        start = time.monotonic()
        trainer.train_loop(batches, num_steps)
        return (time.monotonic() - start) / num_steps


def is_finished(directory: epath.Path) -> bool:
    """Returns whether a run directory holds a fully trained model."""
    return (directory / run_directory.MODEL_FILE).exists()


class _Trainer:
    """The loop over calls of `loop.py`; built in the strategy's scope."""

    def __init__(self, run: TrainingRun, stop: tf.Variable) -> None:
        self.run = run
        self.devices = run.devices
        train = run.train_config
        self.total_steps = train.total_steps(run.num_labeled)
        self.step_images = train.train_batch_size + train.unlabeled_batch_size
        self.state = TrainingState(run)
        self.means = means.Means()
        self.train_loop = loop.TrainLoop(
            run.method,
            self.state.student,
            self.state.average,
            self.state.optimizer,
            train,
            stop,
            run.run_config.preemption_check_steps,
            self.state.loss_scale,
            compilation.is_compiled(
                run.devices.strategy, run.run_config.jit_compile
            ),
            run.prepare,
        )
        if self.devices.is_chief:
            self.writer = tf.summary.create_file_writer(str(run.directory))
        else:
            self.writer = tf.summary.create_noop_writer()
        self.evaluations = evaluations.Evaluations(
            run,
            self.state,
            self.total_steps,
            self._summarise,
            self._stop_evaluation_if_asked,
        )

    def train(self) -> None:
        """Takes the remaining steps, evaluates, and writes the model."""
        run, devices = self.run, self.devices
        self.state.start()
        start = self.state.step
        with devices.failing_together():
            if devices.is_chief:
                metrics_file.drop_after(run.directory, start)
        batches = self.batches(start)
        is_over = self.evaluations.if_due()  # a kill may have come before it
        with progress.bar(
            self.total_steps,
            run.description,
            "step",
            initial=start,
            shown=devices.is_chief,
        ) as bar:
            while self.state.step < self.total_steps and not is_over:
                self._train_until(self._next_stop(), batches, bar)
                is_over = self.evaluations.if_due()
        self.evaluations.at_end()
        with devices.failing_together():
            if devices.is_chief:
                self.state.save_model(run.directory)

    def batches(self, start: int) -> Iterator:
        """Returns the batches of all replicas from a step on."""
        return iter(
            self.devices.strategy.distribute_datasets_from_function(
                lambda context: self.run.batches(context, start)
            )
        )

    def _next_stop(self) -> int:
        """Returns the next step with something to do besides training."""
        config, finished = self.run.run_config, self.state.step
        intervals = (
            config.iterations_per_loop,
            config.save_checkpoints_steps,
            self.evaluations.interval,
            config.log_step_count_steps or self.total_steps,
        )
        stops = [(finished // every + 1) * every for every in intervals]
        return min(self.total_steps, *stops)

    def _train_until(self, stop: int, batches: Iterator, bar) -> None:
        begin, start = time.monotonic(), self.state.step
        with (
            compilation.errors_named(self.run.train_config.method),
            memory.enough(f"training on {self.step_images} images", _LESS),
        ):
            result = self.train_loop(batches, stop - start)
        finished = self.state.step
        bar.update(finished - start)
        steps, seconds = finished - start, time.monotonic() - begin
        self.means.add(result.metrics, steps, seconds)
        speed = self.step_images * steps / seconds
        bar.set_postfix_str(
            f"loss={result.metrics['train/loss']:.3f}, {speed:.0f} images/s",
            refresh=False,
        )
        with self.devices.failing_together():
            self._check(result.failure, start)
            self._log_if_due(result.stopped)
        if result.stopped:
            self._save_and_stop()
        every = self.run.run_config.save_checkpoints_steps
        if finished == self.total_steps or finished % every == 0:
            self.state.save()

    def _check(self, failure: loop.Failure | None, start: int) -> None:
        """Refuses a step whose loss or gradient was not finite."""
        if failure is None:
            return
        loss = failure.metrics["train/loss"]
        what = f"The loss is {loss:g}"
        if math.isfinite(loss):
            what = "The gradient is not finite"
        values = ", ".join(f"{k}={x:g}" for k, x in failure.metrics.items())
        raise FloatingPointError(
            f"{what} at step {start + failure.step + 1}: {values}. Earlier "
            "checkpoints are intact. A lower "
            f"{schedules.peak_setting(self.run.train_config)} usually helps."
        )

    def _log_if_due(self, stopped: bool) -> None:
        """Logs the training metrics at `log_step_count_steps`, and at ends."""
        finished = self.state.step
        is_end = stopped or finished == self.total_steps
        every = self.run.run_config.log_step_count_steps or 1
        if finished % every and not is_end:
            return
        metrics, steps_per_second = self.means.take()
        rate = self.state.learning_rate
        epochs = self.run.train_config.labels_per_step / self.run.num_labeled
        rates = {
            "train/lr": float(rate(finished)),
            "train/epoch": (rate.first_step + finished) * epochs,
            "train/steps_per_second": steps_per_second,
            "train/images_per_second": steps_per_second * self.step_images,
        }
        if scale := self.state.loss_scale:
            rates["train/loss_scale"] = float(scale.factor.numpy())
            rates["train/skipped_steps"] = int(scale.skipped_steps.numpy())
        self._summarise(metrics | rates)

    def _summarise(self, scalars: dict[str, float]) -> None:
        """Writes scalars of this step for TensorBoard; the chief's alone."""
        with writing.disk_errors(self.run.directory, tf.errors.OpError):
            with self.writer.as_default(self.state.step):
                for name, value in scalars.items():
                    tf.summary.scalar(name, value)
            self.writer.flush()

    def _save_and_stop(self) -> None:
        self.state.save()
        self.devices.wait_for_all()
        raise preemption.Preempted(
            f"Stopped by SIGTERM at step {self.state.step}, which is saved"
        )

    def _stop_evaluation_if_asked(self) -> None:
        """Stops during an evaluation, where one worker need not ask others."""
        if preemption.is_requested() and self.devices.num_workers == 1:
            self._save_and_stop()

"""Trains one model in one run directory, from wherever it stopped.

The loop, its checkpoints, evaluations and summaries. What a step does is in
`step.py`; which images and which losses is the caller's choice.
"""

import dataclasses
import pathlib
import time
from collections.abc import Callable

import keras
import tensorflow as tf

from noisy_student import evaluation, models, progress, run_directory
from noisy_student.config import ModelConfig, RunConfig, TrainConfig
from noisy_student.methods import base
from noisy_student.training import (
    averaging,
    optimizers,
    schedules,
    step,
    summaries,
)


@dataclasses.dataclass(frozen=True)
class TrainingImages:
    """The images of a run.

    Attributes:
        batches: makes the endless training batches from a step on.
        num_labeled: labelled images, which make an epoch.
        test: one pass over the test images.
        num_test: how many there are.
    """

    batches: Callable[[int], tf.data.Dataset]
    num_labeled: int
    test: tf.data.Dataset
    num_test: int


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """What one run trains and how; `directory` is where it is kept."""

    directory: pathlib.Path
    model: ModelConfig
    train: TrainConfig
    run: RunConfig
    total_steps: int
    seed: int
    description: str


def train(
    settings: RunSettings, method: base.Method, images: TrainingImages
) -> dict:
    """Trains a model to its end, or does nothing if that was done before.

    Call in the scope of a strategy. Leaves `model.keras` (the averaged
    weights), `checkpoints/`, `metrics.jsonl` and TensorBoard events in the
    run directory.

    Args:
        settings: of the run.
        method: the losses.
        images: the data.

    Returns:
        The last evaluation, as a line of `metrics.jsonl`: `step`,
        `top_1_accuracy`, `top_5_accuracy`, `num_images`, `seconds`.
    """
    if not is_finished(settings.directory):
        keras.utils.set_random_seed(settings.seed)
        trainer = _Trainer(settings, method, images)
        trainer.train()
    return summaries.read_metrics(settings.directory)[-1]


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
    ) -> None:
        self.settings = settings
        self.images = images
        self.student = models.build_model(settings.model)
        self.average = models.build_model(settings.model)
        averaging.start(self.average, self.student)
        self.learning_rate = schedules.learning_rate(
            settings.train, images.num_labeled, settings.total_steps
        )
        self.optimizer = optimizers.rmsprop(self.learning_rate)
        self.optimizer.build(self.student.trainable_variables)
        self.seconds_before = tf.Variable(0.0, trainable=False, dtype="float64")
        self.checkpoints = tf.train.CheckpointManager(
            tf.train.Checkpoint(
                student=self.student,
                average=self.average,
                optimizer=self.optimizer,
                random_states=_random_states(self.student),
                seconds=self.seconds_before,
            ),
            str(settings.directory / "checkpoints"),
            max_to_keep=settings.run.keep_checkpoint_max,
        )
        self.train_loop = step.make_train_loop(
            method,
            self.student,
            self.average,
            self.optimizer,
            settings.train.weight_decay,
            settings.train.moving_average_decay,
        )
        self.summaries = summaries.Summaries(settings.directory)

    @property
    def step(self) -> int:
        """Number of finished steps."""
        return int(self.optimizer.iterations)

    def train(self) -> None:
        """Runs the remaining steps, evaluates, and writes the model."""
        self._start()
        total = self.settings.total_steps
        start = self.step
        strategy = tf.distribute.get_strategy()
        batches = iter(
            strategy.experimental_distribute_dataset(self.images.batches(start))
        )
        with progress.bar(
            total, self.settings.description, "step", initial=start
        ) as bar:
            while self.step < total:
                self._train_until(self._next_stop(), batches, bar)
        self._evaluate_once()
        self._save_model()

    def _start(self) -> None:
        """Resumes from the last checkpoint (1), or begins afresh (2)."""
        self.started = time.monotonic()
        path = self.checkpoints.latest_checkpoint
        if path:
            status = self.checkpoints.checkpoint.restore(path)
            status.assert_consumed().assert_existing_objects_matched()
        directory = self.settings.directory
        summaries.drop_metrics_after(directory, self.step)
        self.seconds_at_start = float(self.seconds_before)

    def _next_stop(self) -> int:
        """The next step with something to do besides training."""
        run = self.settings.run
        intervals = [run.iterations_per_loop, run.save_checkpoints_steps]
        if run.steps_per_eval:
            intervals.append(run.steps_per_eval)
        stops = [(self.step // every + 1) * every for every in intervals]
        return min([self.settings.total_steps, *stops])

    def _train_until(self, stop: int, batches, bar) -> None:
        begin, start = time.monotonic(), self.step
        metrics = self.train_loop(batches, tf.constant(stop - start))
        scalars = {name: float(value) for name, value in metrics.items()}
        if not tf.math.is_finite(scalars["train/loss"]):
            raise FloatingPointError(
                f"The loss is {scalars['train/loss']} between steps {start} "
                f"and {stop} ({scalars}); the checkpoints before are intact. "
                "A lower base_learning_rate usually helps."
            )
        bar.update(stop - start)
        bar.set_postfix(loss=f"{scalars['train/loss']:.3f}", refresh=False)
        self._log(scalars, (stop - start) / (time.monotonic() - begin))
        self._save_and_evaluate()

    def _log(self, scalars: dict[str, float], steps_per_second: float) -> None:
        batch_size = self.settings.train.train_batch_size
        finished = self.step
        self.summaries.write(
            finished,
            scalars
            | {
                "train/lr": float(self.learning_rate(finished)),
                "train/epoch": finished * batch_size / self.images.num_labeled,
                "train/steps_per_second": steps_per_second,
            },
        )

    def _save_and_evaluate(self) -> None:
        run, finished = self.settings.run, self.step
        is_last = finished == self.settings.total_steps
        if run.steps_per_eval and finished % run.steps_per_eval == 0:
            self._evaluate_once()
        if is_last or finished % run.save_checkpoints_steps == 0:
            self.seconds_before.assign(self._seconds())
            self.checkpoints.save(checkpoint_number=finished)

    def _seconds(self) -> float:
        """Time spent on this run, earlier processes included."""
        return self.seconds_at_start + time.monotonic() - self.started

    def _evaluate_once(self) -> None:
        """Evaluates the average at this step, unless that was done."""
        directory = self.settings.directory
        lines = summaries.read_metrics(directory)
        if lines and lines[-1]["step"] == self.step:
            return
        accuracy = evaluation.evaluate(
            self.average, self.images.test, self.images.num_test
        )
        metrics = {"step": self.step, **dataclasses.asdict(accuracy)}
        self.summaries.write(
            self.step,
            {
                "eval/top_1_accuracy": accuracy.top_1_accuracy,
                "eval/top_5_accuracy": accuracy.top_5_accuracy,
            },
        )
        metrics["seconds"] = round(self._seconds(), 1)
        summaries.append_metrics(directory, metrics)

    def _save_model(self) -> None:
        """Writes the averaged model; its presence says "finished"."""
        path = self.settings.directory / run_directory.MODEL_FILE
        models.save_model(self.average, path)


def _random_states(model: keras.Model) -> list[tf.Variable]:
    """The states of dropout's seeds, which checkpoints leave out of models.

    With them, a resumed run draws what an uninterrupted one would have.
    """
    weights = {id(weight) for weight in model.weights}
    return [v.value for v in model.variables if id(v) not in weights]

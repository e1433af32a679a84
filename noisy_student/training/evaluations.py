"""When a training evaluates its averaged model, and what it concludes.

On the way the model is evaluated on validation images, so that the test images
can be looked at once, at the end. Without any, test images are what there is:
then nothing is chosen by them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from etils import epath

from noisy_student import models
from noisy_student.evaluation import Evaluator, Metrics
from noisy_student.files import metrics_file, run_directory
from noisy_student.training.state import BEST, TrainingRun, TrainingState

TEST, VALIDATION = "test", "validation"
# The metric whose greatest value marks the best model.
_BEST_BY = "top_1_accuracy"
_NOT_MEASURED = ("step", "split", "seconds")
_EVALUATIONS = 20  # of a training with validation images, unless told otherwise

Lines = Sequence[Mapping[str, Any]]


def of_split(lines: Lines, split: str) -> Lines:
    """The lines of `metrics.jsonl` for the images of one split."""
    return [line for line in lines if line.get("split", TEST) == split]


def best_of(lines: Lines) -> Mapping[str, Any] | None:
    """The best evaluation; the first of equally good ones, None of none."""
    return max(lines, key=lambda line: line[_BEST_BY], default=None)


def kept_validation(directory: epath.Path, keep_best: bool) -> Metrics | None:
    """What validation images said of the model that a training kept.

    Args:
        directory: The run directory of a finished training.
        keep_best: Whether it kept the best weights, or the last.

    Returns:
        The metrics; None without validation images.
    """
    lines = of_split(metrics_file.read(directory), VALIDATION)
    if not lines:
        return None
    kept = best_of(lines) if keep_best else lines[-1]
    assert kept is not None  # there are lines
    return {k: x for k, x in kept.items() if k not in _NOT_MEASURED}


class Evaluations:
    """Evaluates on the way and at the end, and writes it down.

    Every worker calls the methods alike.

    Args:
        run: What is trained and how.
        state: Its averaged model, and where the best of it is kept.
        total_steps: Of the training.
        summarise: Writes scalars of this step for TensorBoard.
        stop_if_asked: Called between two batches; may raise.
    """

    def __init__(
        self,
        run: TrainingRun,
        state: TrainingState,
        total_steps: int,
        summarise: Callable[[dict[str, float]], None],
        stop_if_asked: Callable[[], None],
    ) -> None:
        self._run = run
        self._state = state
        self._total_steps = total_steps
        self._summarise = summarise
        self._stop_if_asked = stop_if_asked
        # What is looked at on the way.
        self._split = TEST if run.validator is None else VALIDATION

    @property
    def interval(self) -> int:
        """Steps between two evaluations."""
        given = self._run.run_config.steps_per_eval
        if given is None and self._split == VALIDATION:
            return max(1, self._total_steps // _EVALUATIONS)
        return given or self._total_steps

    def if_due(self) -> bool:
        """Evaluates at the multiples of `interval`.

        Returns:
            Whether the training should end, since for
            `early_stopping_evals` evaluations it has not become better.
        """
        step = self._state.step
        if not step or step % self.interval or step >= self._total_steps:
            return False
        if self._split == VALIDATION:
            # So that a resumed run never begins before its best weights.
            self._state.save()
        self._evaluate(self._split)
        patience = self._run.train_config.early_stopping_evals
        if patience is None:
            return False
        return bool(self._run.devices.agree(self._has_not_risen_for(patience)))

    def at_end(self) -> None:
        """Takes the best weights where these are to be kept, and tests them."""
        if self._split == VALIDATION:
            self._evaluate(VALIDATION)
        if self._run.keeps_best:
            self._take_best()
        self._evaluate(TEST)

    def _has_not_risen_for(self, evaluations: int) -> bool:
        lines = of_split(self._lines(), VALIDATION)
        best = best_of(lines)
        return best is not None and best in lines[: len(lines) - evaluations]

    def _best_step(self) -> int:
        best = best_of(of_split(self._lines(), VALIDATION))
        assert best is not None  # the last step was validated
        return best["step"]

    def _take_best(self) -> None:
        """Gives the averaged model the weights that validated best."""
        self._run.devices.wait_for_all()  # the chief has written them
        if self._best_step() == self._state.step:
            return
        path = self._run.directory / BEST / run_directory.MODEL_FILE
        best = models.load_model(path)
        self._state.average.set_weights(best.get_weights())

    def _evaluate(self, split: str) -> None:
        """Evaluates the averaged model, unless that was done at this step."""
        earlier = of_split(self._lines(), split)
        done = bool(earlier) and earlier[-1]["step"] == self._state.step
        if self._run.devices.agree(done):
            return
        evaluator = self._evaluator(split)
        metrics = evaluator(self._state.average, self._stop_if_asked)
        with self._run.devices.failing_together():
            if self._run.devices.is_chief:
                self._record(metrics, split, earlier)

    def _evaluator(self, split: str) -> Evaluator:
        if split == TEST:
            return self._run.evaluator
        assert self._run.validator is not None  # else the split is another
        return self._run.validator

    def _record(self, metrics: Metrics, split: str, earlier: Lines) -> None:
        """Writes an evaluation, and `best/` where there are several."""
        seconds = round(self._state.elapsed(), 1)
        best = best_of(earlier)
        is_best = best is None or metrics[_BEST_BY] > best[_BEST_BY]
        several = self.interval < self._total_steps
        if split == self._split and several and is_best:
            self._state.save_best()
        prefix = "eval" if split == TEST else split
        scalars = {f"{prefix}/{name}": x for name, x in metrics.items()}
        # The same at every evaluation.
        scalars.pop(f"{prefix}/num_images", None)
        self._summarise(scalars)
        line = {"step": self._state.step, "split": split, **metrics}
        if split == TEST and self._run.keeps_best:
            line["best_step"] = self._best_step()
        line["seconds"] = seconds
        metrics_file.append(self._run.directory, line)

    def _lines(self) -> list[dict]:
        return metrics_file.read(self._run.directory)

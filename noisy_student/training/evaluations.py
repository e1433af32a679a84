"""The evaluations of a run: when, where they are written, which is the best."""

from collections.abc import Callable

from noisy_student.files import run_directory
from noisy_student.training.run import TrainingRun
from noisy_student.training.state import TrainingState
from noisy_student.training.summaries import Summaries

# The metric whose greatest value marks the best model.
BEST_BY = "top_1_accuracy"


class Evaluations:
    """Evaluates the averaged model of a run.

    An evaluation is one line of `metrics.jsonl` and scalars `eval/...` for
    TensorBoard. Where there are several, `best/` has the best model so far.
    Every worker calls the methods alike.

    Args:
        run: what is trained and how.
        state: the models.
        summaries: where scalars go.
        on_batch: called after each batch of an evaluation.
    """

    def __init__(
        self,
        run: TrainingRun,
        state: TrainingState,
        summaries: Summaries,
        on_batch: Callable[[], None],
    ) -> None:
        self._run = run
        self._state = state
        self._summaries = summaries
        self._on_batch = on_batch

    def evaluate_if_due(self) -> None:
        """Evaluates at the multiples of `steps_per_eval`."""
        every, step = self._run.run_config.steps_per_eval, self._state.step
        if every and step and step % every == 0:
            self.evaluate()

    def evaluate(self) -> None:
        """Evaluates at this step, unless that was done before."""
        devices, step = self._run.devices, self._state.step
        lines = run_directory.read_metrics(self._run.directory)
        if devices.agree(bool(lines) and lines[-1]["step"] == step):
            return
        metrics = self._run.evaluator(self._state.average, self._on_batch)
        with devices.failing_together():
            if devices.is_chief:
                self._record(metrics, lines)

    def _record(self, metrics: dict[str, float], earlier: list[dict]) -> None:
        best = max((line[BEST_BY] for line in earlier), default=-1.0)
        step, seconds = self._state.step, round(self._state.elapsed(), 1)
        if self._run.run_config.steps_per_eval and metrics[BEST_BY] > best:
            self._state.save_best()
        self._summaries.write(
            step,
            {
                f"eval/{name}": value
                for name, value in metrics.items()
                if name != "num_images"
            },
        )
        run_directory.append_metrics(
            self._run.directory, {"step": step, **metrics, "seconds": seconds}
        )

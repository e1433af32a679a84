"""The evaluations of a run: when, where they are written, which is the best."""

import dataclasses
from collections.abc import Callable

from noisy_student.files import run_directory
from noisy_student.training.run import TrainingRun
from noisy_student.training.state import TrainingState
from noisy_student.training.summaries import Summaries

# The metric whose greatest value marks the best model.
BEST_BY = "top_1_accuracy"


@dataclasses.dataclass(eq=False)
class Evaluations:
    """Evaluates the averaged model of a run.

    An evaluation is one line of `metrics.jsonl` and scalars `eval/...` for
    TensorBoard. Where there are several, `best/` has the best model so far.
    Every worker calls the methods alike.

    Attributes:
        run: what is trained and how.
        state: the models.
        summaries: where scalars go.
        on_batch: called after each batch of an evaluation.
    """

    run: TrainingRun
    state: TrainingState
    summaries: Summaries
    on_batch: Callable[[], None]

    def evaluate_if_due(self) -> None:
        """Evaluates at the multiples of `steps_per_eval`."""
        every, step = self.run.run_config.steps_per_eval, self.state.step
        if every and step and step % every == 0:
            self.evaluate()

    def evaluate(self) -> None:
        """Evaluates at this step, unless that was done before."""
        devices, step = self.run.devices, self.state.step
        lines = run_directory.read_metrics(self.run.directory)
        if devices.agree(bool(lines) and lines[-1]["step"] == step):
            return
        metrics = self.run.evaluator(self.state.average, self.on_batch)
        with devices.failing_together():
            if devices.is_chief:
                self._record(metrics, lines)

    def _record(self, metrics: dict[str, float], earlier: list[dict]) -> None:
        best = max((line[BEST_BY] for line in earlier), default=-1.0)
        step, seconds = self.state.step, round(self.state.elapsed(), 1)
        if self.run.run_config.steps_per_eval and metrics[BEST_BY] > best:
            self.state.save_best()
        scalars = {f"eval/{name}": x for name, x in metrics.items()}
        scalars.pop("eval/num_images", None)  # the same at every evaluation
        self.summaries.write(step, scalars)
        run_directory.append_metrics(
            self.run.directory, {"step": step, **metrics, "seconds": seconds}
        )

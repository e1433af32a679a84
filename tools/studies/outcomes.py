"""What a run of a study came to, read from its directory."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

from etils import epath

from noisy_student import report
from noisy_student.errors import InputError
from noisy_student.files import metrics_file, run_directory, writing
from tools.studies import written

_CHOSEN = "chosen_generation"  # here as in a run's own results


@dataclasses.dataclass(frozen=True)
class Generation:
    """The first teacher, or a student.

    Attributes:
        scores: what was measured of it, under the names of `results.json`;
            accuracies are in [0, 1]. There always is `top_1_accuracy`.
        seconds: that it took.
        label_accuracy: of the pseudo labels that it learned from, in [0, 1];
            None where there are none, or the truth is not known.
    """

    scores: Mapping[str, float]
    seconds: float
    label_accuracy: float | None = None

    @property
    def top_1(self) -> float:
        """Top-1 on the test images, in %."""
        return 100 * self.scores["top_1_accuracy"]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """One run.

    Attributes:
        generations: the first teacher, and then each student; training alone
            has one generation.
        chosen: the generation whose model is the run's, which with validation
            images is the best on these; None for the last.
    """

    generations: tuple[Generation, ...]
    chosen: int | None = None

    @property
    def top_1(self) -> float:
        """Top-1 of the run's model, in %."""
        last = len(self.generations) - 1
        return self.generations[
            last if self.chosen is None else self.chosen
        ].top_1

    @property
    def seconds(self) -> float:
        """Of all generations together."""
        return sum(generation.seconds for generation in self.generations)

    def to_json(self) -> dict[str, Any]:
        """One dict for each generation, and which of them was chosen."""
        rows = [dataclasses.asdict(each) for each in self.generations]
        if self.chosen is None:
            return {"generations": rows}
        return {"generations": rows, _CHOSEN: self.chosen}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Reads what `to_json` made; other keys are of others.

        Raises:
            LookupError, TypeError, ValueError: it did not make this.
        """
        generations = tuple(
            written.make(Generation, row) for row in value["generations"]
        )
        for generation in generations:
            float(generation.top_1 + generation.seconds)
        # Files that are older than this key come without it.
        chosen = value.get(_CHOSEN)
        if chosen not in (None, *range(len(generations))) or not generations:
            raise ValueError(
                f"a run of {len(generations)} generations has chosen {chosen}"
            )
        return cls(generations, chosen)


def read(directory: epath.Path) -> Outcome:
    """Reads the result of a finished run.

    Self-training leaves `results.json` with a row per generation; training
    alone leaves `metrics.jsonl`, whose last line counts.

    Raises:
        InputError: there is neither.
    """
    results = directory / report.RESULTS_FILE
    chosen = None
    if results.exists():
        found = writing.read_json(results)
        rows, chosen = found["generations"], found.get(_CHOSEN)
    else:
        rows = metrics_file.read(directory)[-1:]
    if not rows:
        raise InputError(
            f"{directory} has neither {results.name} nor "
            f"{run_directory.METRICS_FILE}, though main.py has ended well."
        )
    return Outcome(tuple(map(_generation, rows)), chosen)


def _generation(row: dict[str, Any]) -> Generation:
    labels = row.get("pseudo_labels") or {}
    return Generation(
        report.metrics_of(row), row["seconds"], labels.get("accuracy")
    )

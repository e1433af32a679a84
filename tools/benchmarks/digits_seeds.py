"""Does self-training help? The digits recipe over seeds.

Runs flags/recipes/digits.cfg once a seed (or takes up what is finished) and
compares the last student with the first teacher:

  python -m tools.benchmarks.digits_seeds --runs_dir=runs/digits_seeds
"""

import json
import pathlib
import statistics
from collections.abc import Sequence

from absl import app, flags

from noisy_student import report
from noisy_student.files import writing
from tools.benchmarks import recipe, seeds

flags.adopt_module_key_flags(seeds)


def self_train(seed: int, directory: pathlib.Path) -> dict:
    """Runs the recipe in a process of its own; returns its results."""
    recipe.finish(recipe.start(directory, f"--seed={seed}"))
    return writing.read_json(directory / report.RESULTS_FILE)


def summarize(runs: Sequence[dict]) -> dict:
    """Means over seeds, in percentage points.

    Args:
        runs: one `results.json` a seed.

    Returns:
        `gain` (last student's mean top-1 less the first teacher's),
        `teacher`, `student`, their standard deviations, and `seconds` (mean
        of a whole run).
    """
    accuracies = [
        [100 * row["top_1_accuracy"] for row in run["generations"]]
        for run in runs
    ]
    teachers = [row[0] for row in accuracies]
    students = [row[-1] for row in accuracies]
    gains = [b - a for a, b in zip(teachers, students, strict=True)]
    seconds = [
        sum(row["seconds"] for row in run["generations"]) for run in runs
    ]
    return {
        "gain": round(statistics.mean(gains), 2),
        "gain_std": round(statistics.pstdev(gains), 2),
        "teacher": round(statistics.mean(teachers), 2),
        "teacher_std": round(statistics.pstdev(teachers), 2),
        "student": round(statistics.mean(students), 2),
        "student_std": round(statistics.pstdev(students), 2),
        "seconds": round(statistics.mean(seconds), 1),
    }


def print_table(runs: Sequence[dict]) -> None:
    """A line a seed: top-1 of every generation, in %."""
    count = len(runs[0]["generations"])
    names = ["teacher", *(f"student {i}" for i in range(1, count))]
    print("".join(f"{name:>11}" for name in ["seed", *names, "gain"]))
    for run in runs:
        row = [100 * r["top_1_accuracy"] for r in run["generations"]]
        cells = [*row, row[-1] - row[0]]
        line = "".join(f"{cell:11.2f}" for cell in cells)
        print(f"{run['seed']:11d}{line}")


def main(argv: list[str]) -> None:
    """Runs all seeds and prints table and JSON."""
    del argv
    runs_dir = pathlib.Path(seeds.RUNS_DIR.value or "runs/digits_seeds")
    runs = [
        self_train(seed, runs_dir / f"seed_{seed}") for seed in seeds.chosen()
    ]
    print_table(runs)
    print(json.dumps(summarize(runs)))


if __name__ == "__main__":
    app.run(main)

"""Which method makes the most of few labels? One recipe each, over seeds.

Runs flags/recipes/compare/TASK_METHOD.cfg for each method and seed (or takes
up what is finished), and compares the methods with supervised training:

  python -m tools.benchmarks.compare_methods --task=digits --seeds=0,1,2,3,4

Flags of main.py go to every run, as --tfds_data_dir=DATA. What the runs say
is in RUNS_DIR/TASK/METHOD/seed_N.log. RUNS_DIR/TASK then has compare.json and
a chart, compare.png.
"""

import functools
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from absl import app
from absl import flags as absl_flags

import flags
from flags.entry import run_planned
from noisy_student.config import METHODS
from noisy_student.files import writing
from tools.benchmarks import (
    main_script,
    method_chart,
    method_figures,
    method_runs,
    seeds,
)
from tools.benchmarks.method_figures import BASELINE, Outcome
from tools.benchmarks.method_runs import Run

RESULTS_FILE, CHART_FILE = "compare.json", "compare.png"

absl_flags.adopt_module_key_flags(seeds)
_TASK = absl_flags.DEFINE_string("task", "digits", "Whose recipes to run.")
_METHODS = absl_flags.DEFINE_list(
    "methods", list(METHODS), f"What to compare, {BASELINE} among them."
)
_JOBS = absl_flags.DEFINE_integer(
    "jobs",
    1,
    "Runs at once, each on its share of the cores: two processes of one core "
    "get more done than one of two where models are tiny.",
)
_RECIPES_DIR = absl_flags.DEFINE_string(
    "recipes_dir",
    "flags/recipes/compare",
    "Where the flag files TASK_METHOD.cfg are.",
)

# Flags of main.py that the recipes and this program set.
_SET = ("mode", "method", "model_dir", "seed", "task_name")


def plan() -> Callable[[], None]:
    """Refuses bad flags and paths, and returns the work."""
    methods, numbers = chosen_methods(), seeds.chosen()
    cores, arguments = method_runs.shares(_JOBS.value), passed_on()
    recipes = find_recipes(
        main_script.ROOT / _RECIPES_DIR.value, _TASK.value, methods
    )
    directory = pathlib.Path(seeds.RUNS_DIR.value or "runs/compare")
    directory /= _TASK.value
    runs = [
        Run(method, seed, recipe, directory / method / f"seed_{seed}")
        for seed in numbers
        for method, recipe in recipes.items()
    ]
    files = [directory / RESULTS_FILE, directory / CHART_FILE]
    for path in [*files, *(run.log for run in runs)]:
        check_writable(path)

    def work() -> None:
        start_run = functools.partial(method_runs.start, arguments=arguments)
        outcomes = run_all(runs, cores, start_run)
        settings = {"task": _TASK.value, "flags": arguments, "seeds": numbers}
        conclude(directory, settings | {"jobs": _JOBS.value}, outcomes)

    return work


def chosen_methods() -> list[str]:
    """In the order of `METHODS`, whatever the flag's is."""
    given = _METHODS.value
    if unknown := sorted(set(given) - set(METHODS)):
        raise ValueError(
            f"methods must be of {', '.join(METHODS)}; got {unknown[0]!r}."
        )
    if BASELINE not in given:
        raise ValueError(
            f"methods must have {BASELINE} among them, which the others are "
            f"compared with; got {','.join(given)!r}."
        )
    return [method for method in METHODS if method in given]


def passed_on() -> list[str]:
    """The flags of main.py that were given, for every run."""
    groups = absl_flags.FLAGS.flags_by_module_dict()
    given = [
        flag
        for group in flags.GROUPS
        for flag in groups[group.__name__]
        if flag.present
    ]
    for flag in given:
        if flag.name in _SET:
            raise ValueError(
                f"{flag.name} is set for each run; choose by task, methods "
                "and seeds."
            )
    return [flag.serialize() for flag in given]


def find_recipes(
    directory: pathlib.Path, task: str, methods: Sequence[str]
) -> dict[str, pathlib.Path]:
    """The flag file of each method.

    Raises:
        ValueError: there are none for the task, or not for all methods.
    """
    recipes = {method: directory / f"{task}_{method}.cfg" for method in methods}
    missing = [path.name for path in recipes.values() if not path.is_file()]
    if len(missing) == len(methods):
        there = {
            path.stem.removesuffix(f"_{method}")
            for method in METHODS
            for path in directory.glob(f"*_{method}.cfg")
        }
        raise ValueError(
            f"task must have recipes in {directory}, as "
            f"{', '.join(sorted(there)) or 'none'} there; got {task!r}."
        )
    if missing:
        raise ValueError(
            f"{directory} has no {', '.join(missing)}; write what is missing, "
            "or choose by methods."
        )
    return recipes


def check_writable(path: pathlib.Path) -> None:
    """Refuses, before anything runs, what could not be written at the end."""
    if path.is_dir():
        raise ValueError(f"{path} is to be written, and is a directory.")
    there = next(parent for parent in path.parents if parent.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(
            f"runs_dir: {path} cannot be written, for {there} is no directory "
            "that can be written to."
        )


def run_all(
    runs: Sequence[Run],
    cores: Sequence[method_runs.Cores],
    start_run: Callable[[Run], subprocess.Popen],
) -> dict[str, list[Outcome]]:
    """Runs all and says so; by method, outcomes in the order of `runs`."""
    outcomes: dict[Run, Outcome] = {}

    def finished(run: Run) -> None:
        outcome = outcomes[run] = method_runs.read(run.directory)
        print(
            f"{len(outcomes):>3} of {len(runs)}: {run}, "
            f"{outcome.top_1:.2f} %, {outcome.seconds:.0f} s",
            file=sys.stderr,
        )

    method_runs.finish_all(runs, cores, start_run, finished)
    by_method: dict[str, list[Outcome]] = {run.method: [] for run in runs}
    for run in runs:
        by_method[run.method].append(outcomes[run])
    return by_method


def conclude(
    directory: pathlib.Path,
    settings: dict[str, Any],
    outcomes: Mapping[str, Sequence[Outcome]],
) -> None:
    """Prints the table, writes results and chart, and prints the JSON."""
    figures = method_figures.summarize(outcomes)
    num_seeds = len(outcomes[BASELINE])
    print(method_figures.format_table(figures, num_seeds), flush=True)
    beaten = {f"all_beat_{BASELINE}": method_figures.all_beat_baseline(figures)}
    methods = method_figures.entries(figures, 6)
    for method, runs in outcomes.items():
        methods[method]["top_1"] = [round(run.top_1, 6) for run in runs]
        methods[method]["run_seconds"] = [round(run.seconds, 1) for run in runs]
    writing.write_json(
        directory / RESULTS_FILE, settings | {"methods": methods} | beaten
    )
    picture = method_chart.draw(str(settings["task"]), outcomes, figures)
    method_chart.save(picture, directory / CHART_FILE)
    print(json.dumps(method_figures.entries(figures, 3) | beaten))


def main(argv: list[str]) -> None:
    """Compares what the flags name."""
    run_planned(argv, plan)


if __name__ == "__main__":
    app.run(main)
